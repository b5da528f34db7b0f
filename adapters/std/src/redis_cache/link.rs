//! The connection to Redis: made when it is needed, given up at the first failure, and not tried again at once.

use std::fmt;
use std::mem;
use std::time::Duration;

use redis::{Client, Cmd, Connection, FromRedisValue, RedisError};
use sansal::time::Millis;

use crate::clock::{SystemClock, Time};

/// After a failure nobody waits for Redis again for this long; twice as long after the next one, up to the second.
const PAUSES: (u64, u64) = (50, 8_000);

/// Why Redis cannot be used now.
pub(super) enum Trouble {
    /// It was asked a short while ago.
    StillAway,
    /// It cannot be reached, or refuses. The text is its own.
    Away(String),
    /// What is under this prefix was written with another key, or with none.
    OtherKey,
    /// It is another server, or the same one begun anew: what was known of it may not be there. Ask again.
    Begun,
    /// Others write faster than this process.
    Crowded,
    /// It answers what the scripts here never say.
    Strange,
}

pub(super) struct Link {
    client: Client,
    timeout: Duration,
    /// Where it is kept which key the tokens are under, and what it has to be there.
    mark: (String, Vec<u8>),
    connection: Option<Connection>,
    /// Which server that was, and since when it has run.
    server: Option<String>,
    shared: Vec<u8>,
    begun: bool,
    not_before: Millis,
    pause: u64,
    trouble: Option<String>,
}

impl Link {
    pub(super) fn new(client: Client, timeout: Duration, mark: (String, Vec<u8>)) -> Self {
        Self {
            client,
            timeout,
            mark,
            connection: None,
            server: None,
            shared: Vec::new(),
            begun: false,
            not_before: Millis(0),
            pause: PAUSES.0,
            trouble: None,
        }
    }

    /// Why Redis is not used now; nothing when it is.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Whether the server has begun anew since this was asked last.
    pub(super) fn has_begun(&mut self) -> bool {
        mem::take(&mut self.begun)
    }

    /// A secret that all processes of this prefix share.
    pub(super) fn shared(&mut self) -> Result<&[u8], Trouble> {
        if self.shared.is_empty() {
            let _: String = self.query(&redis::cmd("PING"))?;
        }
        Ok(&self.shared)
    }

    /// Sends a command. One that was cut off is sent once more: all of them may be.
    pub(super) fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Trouble> {
        let now = SystemClock.now().mono;
        if self.connection.is_none() && now < self.not_before {
            return Err(Trouble::StillAway);
        }
        let was_connected = self.connection.is_some();
        match self.attempt(command) {
            Err(Trouble::Away(_)) if was_connected => self.attempt(command),
            other => other,
        }
        .inspect_err(|why| self.failed(why))
    }

    fn attempt<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Trouble> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let answer = command.query(&mut connection)?;
        self.connection = Some(connection);
        if self.trouble.take().is_some() {
            tracing::info!("Redis is back: tokens are shared again");
        }
        self.pause = PAUSES.0;
        Ok(answer)
    }

    fn connect(&mut self) -> Result<Connection, Trouble> {
        let mut connection = self.client.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        let (name, own) = &self.mark;
        redis::cmd("SET").arg(name).arg(own).arg("NX").exec(&mut connection)?;
        let there: Vec<u8> = redis::cmd("GET").arg(name).query(&mut connection)?;
        // Without a key of the application's the first process makes a secret of the prefix, which only leases use.
        let is_plain = |mark: &[u8]| mark.starts_with(b"plain ");
        if there != *own && !(is_plain(&there) && is_plain(own)) {
            return Err(Trouble::OtherKey);
        }
        self.shared = there;
        let about: String = redis::cmd("INFO").arg("server").query(&mut connection)?;
        let run = about.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().to_owned();
        let before = self.server.replace(run.clone());
        if before.is_some_and(|before| before.is_empty() || before != run) {
            (self.connection, self.begun) = (Some(connection), true);
            return Err(Trouble::Begun);
        }
        Ok(connection)
    }

    pub(super) fn failed(&mut self, why: &Trouble) {
        if matches!(why, Trouble::StillAway | Trouble::Begun) {
            return;
        }
        self.connection = None;
        self.not_before = SystemClock.now().mono.after(Millis(self.pause));
        self.pause = self.pause.saturating_mul(2).min(PAUSES.1);
        if self.trouble.is_none() {
            tracing::warn!(%why, "Redis cannot be used: tokens are kept in memory, and written when it is back");
        }
        self.trouble = Some(why.to_string());
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Self::Away(error.to_string())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StillAway | Self::Begun => f.write_str("it was away a moment ago"),
            Self::Away(why) => f.write_str(why),
            Self::OtherKey => f.write_str("what is under this prefix was written with another key, or with none"),
            Self::Crowded => f.write_str("others always write first"),
            Self::Strange => f.write_str("its answer is not understood: is something else under this prefix?"),
        }
    }
}
