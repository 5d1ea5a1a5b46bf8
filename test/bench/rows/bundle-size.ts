/**
 * What is uploaded: the Worker as a deployment minifies it, with the modules beside it, gzipped; and the relay likewise.
 */
import { gzipSync } from 'node:zlib'
import { builtModules } from '../../support/built-worker.ts'
import type { Row } from '../bench.ts'
import { build, type Build } from '../serve.ts'
import { KIB, withUnit } from '../table.ts'

const MOST_KIB = 300

export async function measureBundleSize(): Promise<readonly Row[]> {
  const relay = await gzippedBytes('relay')
  const parley = await gzippedBytes('deployed')
  return [
    {
      work: 'bundle, minified, gzipped',
      relay: withUnit(relay, KIB),
      parley: withUnit(parley, KIB),
      goal: `< ${MOST_KIB} KiB`,
      met: parley < MOST_KIB * 1024,
      figures: { relay, parley },
    },
  ]
}

async function gzippedBytes(name: Build): Promise<number> {
  const modules = await builtModules(await build(name))
  return gzipSync(Buffer.concat(modules.map(({ contents = '' }) => Buffer.from(contents)))).length
}
