// The package is for programs that import and for those that require, and they share one copy of it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const PACKAGE = fileURLToPath(new URL('..', import.meta.url))
const { name, exports, files } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'))
const ENTRIES = Object.keys(exports).map((entry) => name + entry.slice(1))

// project is a folder with the package installed.
function project(t) {
  const folder = mkdtempSync(join(tmpdir(), 'na'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(PACKAGE, join(folder, 'node_modules', name))
  return (...args) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
    return stdout.trim()
  }
}

for (const entry of ENTRIES) {
  test(`${entry} is required and imported with the same names`, (t) => {
    const node = project(t)
    const names = (value) => `console.log(Object.keys(${value}).filter((name) => !/^(default|module.exports)$/.test(name)).sort().join())`
    const required = node('-e', names(`require('${entry}')`))
    assert.ok(required.split(',').length > 0 && !required.includes('undefined'))
    assert.equal(node('--input-type=module', '-e', `import * as all from '${entry}'; ${names('all')}`), required)
  })

  test(`${entry} is one copy for both`, async () => {
    const required = createRequire(import.meta.url)(entry)
    const imported = await import(entry)
    assert.equal(imported.default, required)
    for (const [name, value] of Object.entries(required)) assert.equal(imported[name], value, name)
  })
}

test('a program that requires the package has an answer and ends by itself', (t) => {
  const node = project(t)
  const program = `const { Client } = require('neonauthd')
    new Client({ socket: '/nowhere' }).verify('a.b.c').then((answer) => console.log(answer.outcome))`
  assert.equal(node('-e', program), 'unknown')
})

test('what is exported is in the package, with its types', () => {
  for (const { types, default: code } of Object.values(exports)) {
    for (const path of [types, code]) {
      readFileSync(join(PACKAGE, path))
      assert.ok(files.some((one) => path === `./${one}` || path.startsWith(`./${one}/`)), `${path} is not packed`)
    }
  }
})
