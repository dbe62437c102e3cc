/** The parameters lie outside of the range in which an accountant can vouch for its number. It gives none. */
export class AccountingDomainError extends RangeError {
  override readonly name = 'AccountingDomainError';
}
