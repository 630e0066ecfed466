/** From this many rows, and this share of the table, on, dead rows are worth a VACUUM. */
export const deadRows = 10_000;
export const deadShare = 0.2;
