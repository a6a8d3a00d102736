import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Player } from './player.mjs'
import { parse, transcripts, transcriptsOfKeeping } from './transcript.mjs'

for (const { name, steps } of transcripts()) {
  test(`transcript ${name}`, () => new Player().play(steps))
}

for (const { name, steps } of transcriptsOfKeeping()) {
  test(`transcript of keeping ${name}`, () => new Player({ keeps: true }).play(steps))
}

// Transcripts that are wrong in one place each: a player that lets them pass
// would prove nothing about the right ones.
const START = 'call a verify token=a.b.c\naccept\n'
for (const [name, text] of Object.entries({
  'other outcome': `${START}> @1 VERIFY deadline=* a.b.c\n< @1 NO expired\nanswer a unknown cause=broken`,
  'other reason': `${START}> @1 VERIFY deadline=* a.b.c\n< @1 NO expired\nanswer a rejected reason=revoked`,
  'other request': `${START}> @1 VERIFY deadline=* a.b.d`,
  'missing field': `${START}> @1 VERIFY project=main deadline=* a.b.c`,
  'unexpected field': `${START}> @1 VERIFY a.b.c`,
  'call left over': `${START}> @1 VERIFY deadline=* a.b.c`,
  'uncalled answer': `${START}answer b rejected reason=expired`,
  'connection ignored': 'call a verify deadline=20 token=a.b.c\nanswer a unknown cause=timeout',
  'request ignored': `${START}close\nanswer a unknown cause=closed`,
})) {
  test(`a transcript with ${name} fails`, () => assert.rejects(new Player().play(parse(text))))
}
