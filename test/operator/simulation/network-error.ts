/** An error as Node's network has them. */
export function networkError(message: string): Error {
  return Object.assign(new Error(message), { code: message.split(" ").at(-1) });
}
