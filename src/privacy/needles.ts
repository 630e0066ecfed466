import type { Identifiers } from './identifiers.js';
import { normalForm } from './identifiers.js';
import type { Domain } from './model.js';

/** The values by which a person's rows are recognised, by what they stand for. */
export class Needles {
  readonly #values = new Map<Domain, Set<string>>();

  /** Adds values; true when one of them is new. */
  add(domain: Domain, values: Iterable<string>): boolean {
    const present = this.#values.get(domain) ?? new Set<string>();
    const before = present.size;
    for (const value of values) present.add(value);
    this.#values.set(domain, present);
    return present.size > before;
  }

  /** Adds all that other needles hold. */
  addAll(others: Needles): void {
    for (const domain of others.domains()) this.add(domain, others.of(domain));
  }

  of(domain: Domain): readonly string[] {
    return [...(this.#values.get(domain) ?? [])];
  }

  size(domain: Domain): number {
    return this.#values.get(domain)?.size ?? 0;
  }

  domains(): Domain[] {
    return [...this.#values.keys()];
  }

  copy(): Needles {
    const copy = new Needles();
    copy.addAll(this);
    return copy;
  }
}

/** What was given, in the form in which it is compared. */
export function needlesOf(identifiers: readonly Identifiers[], domainOf: (kind: string) => Domain) {
  const needles = new Needles();
  for (const { customer, buyer, email, phone } of identifiers) {
    needles.add(domainOf('customer'), customer);
    needles.add(domainOf('buyer'), buyer);
    needles.add(
      domainOf('email'),
      email.map((value) => normalForm('email', value)),
    );
    needles.add(
      domainOf('phone'),
      phone.map((value) => normalForm('phone', value)),
    );
  }
  return needles;
}
