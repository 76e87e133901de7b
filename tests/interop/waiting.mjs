// Waits with a timeout, so that no script hangs and a failure names the missing event.

const LIMIT = 20_000;

/** Resolves with what `begin` hands to its argument. */
export function soon(what, begin) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} did not come`)), LIMIT);
    begin((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}

/** The arguments of the next event of this name. */
export function next(emitter, event) {
  return soon(event, (came) => emitter.once(event, (...args) => came(args)));
}

/** The arguments of the answer to an event. */
export function ask(socket, ...args) {
  return soon(`an answer to "${args[0]}"`, (came) => socket.emit(...args, (...answer) => came(answer)));
}
