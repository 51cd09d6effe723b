/**
 * What each alert is for, as series that Prometheus would have scraped: one situation in which it
 * fires, and one, as near to that as can be, in which it does not.
 *
 * Values are promtool's: `1x60` is 1 and 60 more of it, one a minute; `0+2x60` grows by 2 a minute;
 * `_` is a scrape that failed.
 */

/** Values by series. */
export type Series = Readonly<Record<string, string>>;

export interface Situation {
  readonly fires: Series;
  /** When it fires at the latest, and when nothing is firing yet, minutes from the first sample. */
  readonly at: number;
  readonly notYet: number;
  /** Labels of what fires, its severity aside. */
  readonly labels: Readonly<Record<string, string>>;
  readonly summary: string;
  /** Each for itself; none fires at any time up to `at`. */
  readonly quiet: readonly Series[];
}

const EDGE = 'up{job="firn",instance="registry.example.org:443"}';
const MACHINE = 'job="firn-origin",instance="127.0.0.1:9464"';
const origins = (region: string, state: string): string =>
  `firn_farm_origins{region="${region}",state="${state}"}`;
const items = (kind: string, result: string): string =>
  `firn_farm_items_total{region="weur",kind="${kind}",result="${result}"}`;
const queued = (lane: string): string => `firn_farm_items_queued{region="weur",lane="${lane}"}`;
const SLOTS = 'firn_farm_slots{region="weur"}';
const LOST = 'firn_farm_attempts_lost_total{region="weur"}';
const uploaded = (region: string): string => `firn_farm_upload_bytes_today{region="${region}"}`;
const version = (of: string, instance: string): string =>
  `firn_origin_info{job="firn-origin",instance="${instance}",version="${of}"}`;

const weur = { region: "weur" };
const machine = { job: "firn-origin", instance: "127.0.0.1:9464" };

export const SITUATIONS: Readonly<Record<string, Situation>> = {
  FirnEdgeUnreachable: {
    fires: { [EDGE]: "1x9 0x60" },
    notYet: 14,
    at: 16,
    labels: { job: "firn", instance: "registry.example.org:443" },
    summary: "The edge does not answer GET /metrics",
    quiet: [{ [EDGE]: "1x9 0x3 1x60" }, { [`up{job="node",instance="127.0.0.1:9100"}`]: "0x60" }],
  },
  FirnFarmDown: {
    fires: { 'firn_farm_up{region="weur"}': "1x9 0x60", 'firn_farm_up{region="enam"}': "1x60" },
    notYet: 14,
    at: 16,
    labels: weur,
    summary: "The farm of weur does not answer the edge",
    quiet: [{ 'firn_farm_up{region="weur"}': "1x9 0x3 1x60" }],
  },
  FirnNoOrigin: {
    fires: {
      [origins("weur", "connected")]: "1x9 0x60",
      [origins("enam", "connected")]: "0x60",
      [origins("weur", "drained")]: "1x60",
    },
    notYet: 14,
    at: 16,
    labels: {},
    summary: "No origin is connected: nothing new can be built",
    quiet: [
      { [origins("weur", "connected")]: "0x60", [origins("enam", "connected")]: "1x60" },
      { [origins("weur", "connected")]: "1x9 0x3 1x60" },
    ],
  },
  FirnNoOriginInRegion: {
    fires: {
      [origins("weur", "connected")]: "1x9 0x60",
      [origins("enam", "connected")]: "1x60",
    },
    notYet: 24,
    at: 26,
    labels: weur,
    summary: "No origin is connected in weur: its clients wait for another region's",
    // When none is anywhere, FirnNoOrigin says so.
    quiet: [
      { [origins("weur", "connected")]: "1x9 0x10 1x60", [origins("enam", "connected")]: "1x60" },
      { [origins("weur", "connected")]: "0x60" },
    ],
  },
  FirnOriginFull: {
    fires: { [origins("weur", "full")]: "0x9 1x60" },
    notYet: 24,
    at: 26,
    labels: weur,
    summary: "Origins of weur that take no jobs because their disk is full: 1",
    quiet: [{ [origins("weur", "full")]: "0x9 1x10 0x60" }],
  },
  FirnOriginRested: {
    fires: { [origins("weur", "rested")]: "0x9 2x60" },
    notYet: 24,
    at: 26,
    labels: weur,
    summary: "Origins of weur at rest because their jobs kept failing: 2",
    quiet: [{ [origins("weur", "rested")]: "0x9 1x10 0x60" }],
  },
  FirnQueueLong: {
    fires: { [queued("packages")]: "0x9 81x60", [SLOTS]: "4x80" },
    notYet: 24,
    at: 26,
    labels: weur,
    summary: "81 packages wait in weur, over 20 for each slot",
    quiet: [
      { [queued("packages")]: "80x60", [SLOTS]: "4x80" },
      { [queued("tags")]: "500x60", [SLOTS]: "4x80" },
      // None is connected, which is another alert's matter as long as little waits.
      { [queued("packages")]: "20x60", [SLOTS]: "0x80" },
    ],
  },
  FirnQueueNearlyFull: {
    fires: { [queued("packages")]: "0x9 15000x60", [queued("tags")]: "0x9 1001x60" },
    notYet: 14,
    at: 16,
    labels: weur,
    summary: "16001 items wait in weur; at QUEUE_TOTAL (20000) pulls are refused",
    quiet: [{ [queued("packages")]: "15000x60", [queued("tags")]: "1000x60" }],
  },
  FirnAttemptsLost: {
    fires: { [LOST]: "100x60 100+1x90" },
    notYet: 70,
    at: 100,
    labels: weur,
    summary: "39 attempts were lost in weur within an hour: an origin is in trouble",
    quiet: [{ [LOST]: "100x60 100+1x9 109x90" }, { [LOST]: "5000x150" }],
  },
  FirnBuildsFail: {
    fires: { [items("package", "done")]: "0+1x150", [items("package", "failed")]: "0x60 0+2x90" },
    notYet: 80,
    at: 130,
    labels: weur,
    summary:
      "More than half of the packages that end in weur, and more than 5 in half an hour, end without a result",
    quiet: [
      { [items("package", "done")]: "0+2x150", [items("package", "failed")]: "0x60 0+1x90" },
      // What a client asks for in vain is no failure.
      { [items("package", "done")]: "0+1x150", [items("package", "refused")]: "0+5x150" },
      // One person tries one broken package again and again.
      { [items("package", "failed")]: "0x60 1x10 2x10 3x10 4x60" },
    ],
  },
  FirnTagsFail: {
    fires: { [items("tag", "timeout")]: "0x60 0+1x90" },
    notYet: 66,
    at: 80,
    labels: weur,
    summary: "Tags cannot be resolved in weur: the package set's source may be down",
    quiet: [
      { [items("tag", "unknown")]: "0+5x150" },
      { [items("tag", "timeout")]: "0x60 0+1x3 3x90" },
    ],
  },
  FirnUploadsNearLimit: {
    fires: { [uploaded("weur")]: "500000000000x60", [uploaded("enam")]: "500000000000x60" },
    notYet: 4,
    at: 6,
    labels: {},
    summary: "Origins were granted 931.3GiB today; UPLOADS_PER_DAY (1T) is for each of them",
    quiet: [{ [uploaded("weur")]: "400000000000x60", [uploaded("enam")]: "400000000000x60" }],
  },
  FirnOriginUnreachable: {
    fires: { [`up{${MACHINE}}`]: "1x9 0x60" },
    notYet: 19,
    at: 21,
    labels: machine,
    summary: "The origin at 127.0.0.1:9464 does not answer its METRICS_PORT",
    quiet: [{ [`up{${MACHINE}}`]: "1x9 0x5 1x60" }, { [EDGE]: "0x60" }],
  },
  FirnOriginDisconnected: {
    fires: {
      [`firn_origin_connected{${MACHINE},edge="eu.example.org"}`]: "1x9 0x60",
      [`firn_origin_connected{${MACHINE},edge="us.example.org"}`]: "1x60",
    },
    notYet: 19,
    at: 21,
    labels: { ...machine, edge: "eu.example.org" },
    summary: "The origin at 127.0.0.1:9464 is not connected to eu.example.org",
    quiet: [{ [`firn_origin_connected{${MACHINE},edge="eu.example.org"}`]: "1x9 0x5 1x60" }],
  },
  FirnOriginNotAccepting: {
    fires: { [`firn_origin_accepting{${MACHINE}}`]: "1x9 0x60" },
    notYet: 39,
    at: 41,
    labels: machine,
    summary: "The origin at 127.0.0.1:9464 takes no jobs: its disk is at its limit",
    quiet: [{ [`firn_origin_accepting{${MACHINE}}`]: "1x9 0x20 1x60" }],
  },
  FirnOriginDiskLow: {
    // 100 GB, and 100 MB less each minute: full in 17 hours.
    fires: {
      [`firn_origin_disk_free_bytes{${MACHINE}}`]: "100000000000-100000000x480",
    },
    notYet: 30,
    at: 180,
    labels: machine,
    summary: "The disk of the origin at 127.0.0.1:9464 is full within a day, at this rate",
    quiet: [
      // 20 MB a minute: three days.
      { [`firn_origin_disk_free_bytes{${MACHINE}}`]: "100000000000-20000000x480" },
      // One large build on a disk with a terabyte.
      {
        [`firn_origin_disk_free_bytes{${MACHINE}}`]:
          "1000000000000x60 1000000000000-1000000000x30 970000000000x400",
      },
    ],
  },
  FirnOriginVersions: {
    fires: { [version("1.0", "a")]: "1x1600", [version("1.1", "b")]: "1x1600" },
    notYet: 1380,
    at: 1500,
    labels: {},
    summary: "2 versions of origins have run side by side for a day",
    quiet: [
      { [version("1.1", "a")]: "1x1600", [version("1.1", "b")]: "1x1600" },
      { [version("1.0", "a")]: "1x600 _x1000", [version("1.1", "a")]: "_x600 1x1000" },
    ],
  },
};
