import { readFileSync } from 'node:fs';

/*
 * Loaded into a server before everything else (`node --import`): its wall clock goes wrong by as many milliseconds as the
 * file named in WALL_CLOCK_FILE holds; while there is no such file it is right. What counts time by `performance.now()`
 * does not notice, as with a real clock that somebody sets.
 */
const file = process.env['WALL_CLOCK_FILE'];
const RightDate = Date;
let shiftMs = 0;

function look(): void {
  try {
    shiftMs = Number(readFileSync(file!, 'utf8'));
  } catch {
    shiftMs = 0;
  }
}

if (file !== undefined) {
  look();
  setInterval(look, 50).unref();
  globalThis.Date = new Proxy(RightDate, {
    construct: (date, args: ConstructorParameters<typeof Date> | []) =>
      args.length === 0 ? new date(RightDate.now() + shiftMs) : new date(...args),
    get: (date, key) =>
      key === 'now' ? () => RightDate.now() + shiftMs : (Reflect.get(date, key) as unknown),
  });
}
