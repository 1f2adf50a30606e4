/** A JSON Schema. */
export type Schema = Readonly<Record<string, unknown>>

/** A schema of the document, by its name. */
export function ref(name: keyof typeof schemas): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

/** An array of it. */
export function listOf(items: Schema): Schema {
  return { type: 'array', items }
}

const text = { type: 'string' }
const whole = { type: 'integer', minimum: 0 }
const flag = { type: 'boolean' }
/** RFC 3339; null for what never was. */
const time = { type: ['string', 'null'], pattern: '^\\d{4}-\\d\\d-\\d\\dT.*Z$' }
const lags = { type: 'array', items: { $ref: '#/components/schemas/Lag' } }

/** An object that has all of these, and may have more in a later version. */
export function having(properties: Readonly<Record<string, Schema>>): Schema {
  return { type: 'object', required: Object.keys(properties), properties }
}

/** What answers are made of. */
export const schemas = {
  Error: {
    ...having({ code: { type: 'string', pattern: '^SKERRY_[A-Z_]+$' }, message: text }),
    description: 'What went wrong; docs/errors.md lists the codes.',
  },
  Entry: {
    ...having({ created: whole, updated: whole, index: text, path: text, data: {} }),
    description: 'Times are nanoseconds since the Unix epoch: whole 64-bit integers.',
    additionalProperties: false,
  },
  Index: { ...having({ index: text }), additionalProperties: false },
  Short: {
    ...having({ index: text, committed: listOf(text), missing: listOf(text) }),
    description:
      'Written here, but not on enough nodes in time: who has it, and who is not known to.',
    additionalProperties: false,
  },
  ShortBatch: {
    ...having({
      results: listOf({ $ref: '#/components/schemas/BatchResult' }),
      committed: listOf(text),
      missing: listOf(text),
    }),
    additionalProperties: false,
  },
  Keys: having({ keys: listOf(text), total: whole, page: whole, limit: whole, filter: text }),
  AllKeys: having({ keys: listOf(text) }),
  Info: having({ id: text, url: text, ready: flag, epoch: text, run: text, seq: whole }),
  Watched: listOf(having({ pattern: text, subscribers: whole })),
  Filters: listOf(having({ pattern: text, verbs: listOf(text), hooks: listOf(text) })),
  Sync: having({
    nodeId: text,
    epoch: text,
    run: text,
    seq: whole,
    keys: listOf(text),
    links: listOf({}),
  }),
  Status: having({
    ...{ id: text, version: text, url: text, ready: flag, durable: flag },
    ...{ epoch: text, run: text, seq: whole },
    ...{ uptimeMs: whole, sockets: whole, watched: whole },
    sync: having({
      links: listOf(having({ open: flag, leads: flag, keys: listOf(text), unacknowledged: whole })),
      peers: listOf(having({ peer: text, linked: flag, forgotten: flag, lag: lags })),
    }),
    pivot: having({
      nodes: listOf(having({ address: text, healthy: flag, lastCheck: time, lag: lags })),
      leaders: listOf(having({ leader: text, active: flag, healthy: flag, lastCheck: time })),
    }),
  }),
  Lag: {
    ...having({ key: text, entries: whole, seconds: { type: 'number', minimum: 0 }, more: flag }),
    description: 'What a peer lacks of a key; with `more`, both figures are at least.',
  },
  Health: having({ status: text }),
  BatchResult: {
    oneOf: [
      { ...having({ path: text, deleted: whole }), additionalProperties: false },
      { ...having({ index: text, path: text, version: text }), additionalProperties: false },
    ],
  },
  History: having({
    path: text,
    versions: listOf(
      having({
        ...{ version: text, kind: { enum: ['current', 'superseded', 'overruled'] } },
        ...{ created: whole, updated: whole, origin: text, deleted: flag, data: {} },
      }),
    ),
  }),
  Cleared: having({ cleared: whole }),
  Removed: having({ removedAt: text, entry: { $ref: '#/components/schemas/Entry' } }),
  Withheld: having({ count: whole, withheld: listOf(having({ path: text, peer: text })) }),
  Decided: having({ released: whole, dropped: whole }),
  PivotVersion: having({ protocol: text, skerry: having({ node: text, link: flag }) }),
  PivotDeleted: having({ deleted: { type: 'integer' } }),
  PivotHidden: having({ hidden: { type: 'boolean' } }),
  PivotNews: having({ entries: { type: 'array' }, deleted: { type: 'array' } }),
  PivotActivity: having({ lastEntry: { type: 'integer' } }),
  Any: { description: 'Any JSON value.' },
}
