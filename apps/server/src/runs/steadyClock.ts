/**
 * A clock that no correction of the machine's time moves, so that a wall clock that jumps closes no round: it starts at the
 * wall clock's time and passes by the process's own monotonic one.
 * @returns whole milliseconds since 1970, never less than the call before gave
 */
export function steadyClock(): () => number {
  const anchorMs = Date.now() - performance.now();
  return () => Math.floor(anchorMs + performance.now());
}
