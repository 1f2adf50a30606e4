/** `npm run bench -- NAME`: runs `bench/NAME.ts`, one question a file. */
import { readdirSync } from 'node:fs'

const questions = readdirSync(new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.ts') && file !== 'main.ts')
  .map((file) => file.slice(0, -'.ts'.length))
  .sort()

const [name = ''] = process.argv.slice(2)
if (questions.includes(name)) {
  await import(new URL(`./${name}.ts`, import.meta.url).href)
} else {
  console.error(`usage: npm run bench -- NAME, where NAME is one of: ${questions.join(', ')}`)
  process.exitCode = 2
}
