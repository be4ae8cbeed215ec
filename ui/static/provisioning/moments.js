// When: by this phone's clock and zone, since the site's zone may not be known yet.

const format = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** "22 Nov, 17:18", of RFC 3339. */
export const told = (at) => format.format(new Date(at));
