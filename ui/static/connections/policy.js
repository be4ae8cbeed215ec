// What a target gets and how much may be sent: the form's part that becomes its policy.

export function readPolicy(form, before) {
  return before;
}
