const rules = new Intl.PluralRules("en");
const integers = new Intl.NumberFormat("en");

/** "1 host", "41 hosts": the number with the word in its form. */
export function counted(n: number, one: string, other: string): string {
  return `${integers.format(n)} ${form(n, one, other)}`;
}

/** The word alone, in the form for `n`. */
export function form(n: number, one: string, other: string): string {
  return rules.select(n) === "one" ? one : other;
}
