/** Prepares what all tests share. */
export function setup(): void {}
