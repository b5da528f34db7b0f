// A host for the machine in a browser tab: does what it asks for, and tells it what happened.
const { instance } = await WebAssembly.instantiateStreaming(fetch(new URL('page.wasm', import.meta.url)))
const { memory, room, tell } = instance.exports

/** Tells the machine what happened; gives what it needs now. */
function step(happened) {
  const [mono, wall] = [Math.floor(performance.now()), Math.floor(Date.now() / 1000)]
  const random = [...crypto.getRandomValues(new Uint8Array(128))]
  const text = new TextEncoder().encode(JSON.stringify({ ...happened, mono, wall, random }))
  const at = room(text.length)
  new Uint8Array(memory.buffer, at, text.length).set(text)
  const said = tell(at, text.length)
  const rest = new Uint8Array(memory.buffer, said)
  return JSON.parse(new TextDecoder().decode(rest.subarray(0, rest.indexOf(0))))
}

/** One request, as the machine wants it: no cookies, no redirects, nothing from the browser's cache. */
async function send({ method, url, headers, type, body, timeout, most }) {
  try {
    const all = type ? [...headers, ['Content-Type', type]] : headers
    const signal = AbortSignal.timeout(timeout)
    const rules = { credentials: 'omit', redirect: 'error', cache: 'no-store', referrerPolicy: 'no-referrer' }
    const response = await fetch(url, { method, headers: all, body, signal, ...rules })
    const text = await response.text()
    if (text.length > most) return { is: 'failed' }
    return { is: 'response', status: response.status, headers: [...response.headers], body: text }
  } catch {
    return { is: 'failed' }
  }
}

/** Signs a user in. `show` is given the code, and where to enter it. Comes to `done` with a token or `failed` with a sentence. */
export async function signIn(issuer, clientId, scopes, show) {
  let asked = step({ is: 'begin', issuer, client_id: clientId, scopes })
  for (;;) {
    if (asked.send) {
      asked = step(await send(asked.send))
    } else if (asked.wait !== undefined) {
      await new Promise((woke) => setTimeout(woke, asked.wait))
      asked = step({ is: 'woke' })
    } else if (asked.show) {
      show(asked.show)
      asked = step({ is: 'shown' })
    } else {
      return asked
    }
  }
}
