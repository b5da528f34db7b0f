//! Runs a simulated identity platform until Ctrl-C and says how to reach it.

use std::error::Error;
use std::{env, fs, process, thread};

use sansal_sim::{
    CLIENT_CERTIFICATE, CLIENT_KEY, CONTOSO_CLIENT, CONTOSO_PASSWORD, CONTOSO_PUBLIC, CONTOSO_SECRET, CONTOSO_TENANT,
    CONTOSO_USER, Platform, Server,
};

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::start(Platform::contoso(1)?.issuer("realms/contoso"))?;
    let folder = env::temp_dir().join(format!("sansal-sim-{}", process::id()));
    fs::create_dir_all(&folder)?;
    let (ca, certificate) = (folder.join("ca.pem"), folder.join("client.pem"));
    fs::write(&ca, server.ca_pem())?;
    fs::write(&certificate, format!("{CLIENT_KEY}{CLIENT_CERTIFICATE}"))?;
    println!("authority           {}", server.authority(CONTOSO_TENANT));
    println!("instance discovery  {} (or switch it off)", server.instance_discovery());
    println!("issuer, plain OIDC  {}", server.authority("realms/contoso"));
    println!("CA certificate      {}", ca.display());
    println!("client id           {CONTOSO_CLIENT}");
    println!("client secret       {CONTOSO_SECRET}");
    println!("client certificate  {}", certificate.display());
    println!("public client id    {CONTOSO_PUBLIC}, http://localhost with any port");
    println!("user, password      {CONTOSO_USER}, {CONTOSO_PASSWORD}");
    println!("scope               https://graph.microsoft.com/.default");
    println!("Ctrl-C ends it.");
    loop {
        thread::park();
    }
}
