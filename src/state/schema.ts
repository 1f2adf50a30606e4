import { Ajv, type Options, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { messageOf, skerryError } from '../core/errors.ts'

const OPTIONS: Options = {
  strict: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  logger: false,
}

/** A JSON Schema, ready to check data. */
export class Schema {
  readonly #validate: ValidateFunction

  /**
   * @param name what the schema is for, in messages
   * @param schema 2020-12, unless its `$schema` says draft-07
   * @throws SKERRY_OPTION_INVALID if it is not a schema
   */
  constructor(name: string, schema: Readonly<Record<string, unknown>>) {
    const { $schema } = schema
    const old = typeof $schema === 'string' && $schema.includes('draft-07')
    const ajv = old ? new Ajv(OPTIONS) : new Ajv2020(OPTIONS)
    formats.default(ajv)
    try {
      this.#validate = ajv.compile(schema)
    } catch (error) {
      throw skerryError('OPTION_INVALID', name, 'this schema', messageOf(error))
    }
  }

  /** @throws SKERRY_SCHEMA_VIOLATED */
  assert(path: string, data: string): void {
    if (this.#validate(JSON.parse(data))) return
    const [error] = this.#validate.errors!
    const where = error!.instancePath === '' ? 'the data' : `'${error!.instancePath}'`
    throw skerryError('SCHEMA_VIOLATED', path, `${where} ${error!.message}`)
  }
}
