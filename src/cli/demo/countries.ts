import { type TCountryCode, continents, countries, getCountryData, languages } from 'countries-list'

/** Where the demo keeps its data. */
export const LIST = 'countries/*'

/** One real country, as it is stored. */
export interface Country {
  /** ISO 3166-1 alpha-2. */
  readonly code: TCountryCode
  readonly path: string
  readonly data: Readonly<Record<string, unknown>>
}

/** One in so many is held back, to be added while the link is cut. */
const HELD_BACK_EACH = 21

const all: readonly Country[] = (Object.keys(countries) as TCountryCode[]).sort().map(country)

/** Added while the link is cut. */
export const heldBack = all.filter((_, index) => index % HELD_BACK_EACH === HELD_BACK_EACH - 1)

/** Loaded into the leader at the start. */
export const loaded = all.filter((country) => !heldBack.includes(country))

/** The countries of a continent that were loaded, by its code. */
export function loadedIn(continent: string): Country[] {
  return loaded.filter(({ code }) => countries[code].continent === continent)
}

/** The country with that code. */
export function countryOf(code: TCountryCode): Country {
  return all.find((country) => country.code === code)!
}

function country(code: TCountryCode): Country {
  const found = getCountryData(code)
  const data = {
    name: found.name,
    native: found.native,
    capital: found.capital,
    continent: continents[found.continent],
    currencies: found.currency,
    languages: found.languages.map((language) => languages[language].name),
    phone: found.phone,
    iso3: found.iso3,
  }
  return { code, path: `countries/${code}`, data }
}
