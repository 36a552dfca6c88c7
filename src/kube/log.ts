/** Where this part of the program tells what it meets; pino's loggers are such. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** For those who do not want to hear. */
export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };
