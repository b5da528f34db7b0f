// Plays the tapes that are in a WebAssembly module and prints what came of it. usage: node replay.mjs MODULE
import { readFile } from 'node:fs/promises'

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), {})
const at = instance.exports.replay()
const memory = new Uint8Array(instance.exports.memory.buffer, at)
console.log(new TextDecoder().decode(memory.subarray(0, memory.indexOf(0))))
