// What is seen of it. The address says where and as what: ?issuer=…&client_id=…&scope=…
import { signIn } from './host.mjs'

const asked = new URLSearchParams(location.search)
const status = document.querySelector('#status')
const show = ({ code, at, link }) => {
  const there = document.createElement('a')
  there.href = link ?? at
  there.textContent = at
  status.replaceChildren('Enter ', code, ' at ', there)
}
const { done, failed } = await signIn(asked.get('issuer'), asked.get('client_id'), asked.getAll('scope'), show)
document.querySelector('h1').textContent = done ? 'Signed in' : 'Not signed in'
status.textContent = done ? `as ${done.claims.name}, until ${new Date(done.expires_on * 1000).toISOString()}` : failed
