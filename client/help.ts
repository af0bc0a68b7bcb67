/**
 * What `--help` prints; fits 80 columns.
 *
 * @module
 */
import type { CommandName } from "./commands.ts";

/** The overview of all commands. */
const overview = `enjambre: a BitTorrent client, seed and tracker

Usage: enjambre COMMAND [ARGUMENTS] [OPTIONS]

  download SOURCE        fetch what a torrent describes, or what is missing
  seed TORRENT           give what is there to others
  create PATH            make a torrent of a file or a folder
  show FILE              tell what a torrent or a magnet link holds
  verify TORRENT DIR     check data against a torrent
  tracker                run a tracker
  demo                   watch a swarm at work on this machine

Options of every command:
  --json                 one JSON object per line on standard output
  -q, --quiet            errors and results only
  -v, --verbose          also what happens inside, on standard error
  -h, --help             help, also on one command: enjambre seed --help
  -V, --version          the version

The older system's options work without a command; they download, then seed:
  enjambre --torrent=FILE --archives=DIR --hostname=HOST

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted
`;

const swarmOptions = `  --peer HOST:PORT       a peer to begin with; may be repeated ([IPv6]:PORT)
  --tracker URL          a tracker to ask first; may be repeated
  --port N               listen on this port (default: 6881, or a free one)
  --hostname HOST        the name under which others reach this machine
  --max-peers N          most connections at once (default: 100)
  --upload-limit RATE    most bytes sent per second, such as 500K or 8M
  --download-limit RATE  most bytes fetched per second
  --state DIR            where to keep what is known of torrents between runs
                         (default: ~/.local/state/enjambre)
`;

const topics: Readonly<Record<CommandName, string>> = {
  download: `Download what a torrent describes

Usage: enjambre download SOURCE [OPTIONS]

SOURCE is a .torrent file or an http(s) URL of one. What is in the folder
already is used, and only what is missing or damaged is fetched. Interrupt it
with Ctrl-C and run it again: it goes on from there. When the disk is full or
away it waits, and goes on by itself.

  --output DIR           the folder to download into (default: this one)
  --select FILES         only these: a glob such as '*.flac' or 'art/*', or
                         numbers as in enjambre show: 1,4-7; may be repeated
  --exclude FILES        all but these; may be repeated
  --seed                 go on as a seed afterwards, until interrupted
  --move-to DIR          move the files there once they are complete
  --allocation HOW       sparse: files grow as they come (default);
                         full: take all the room on the disk first
  --memory SIZE          most memory for pieces not yet on disk (default: 64M)
${swarmOptions}
Examples:
  enjambre download debian.torrent --output isos
  enjambre download album.torrent --select '*.flac' --exclude 1
  enjambre download https://example.org/debian.torrent --seed
  enjambre download debian.torrent --peer 192.0.2.7:6881
`,
  seed: `Seed a torrent: give what is there to others

Usage: enjambre seed TORRENT --archives DIR [OPTIONS]

Verifies what DIR holds, then seeds it until interrupted; nothing in DIR is
changed. TORRENT is a .torrent file or an http(s) URL of one.

  --archives DIR         the folder that holds the content
${swarmOptions}
Example:
  enjambre seed debian.torrent --archives isos --port 6881
`,
  create: `Make a torrent of a file or a folder

Usage: enjambre create PATH [OPTIONS]

  --tracker URL          a tracker; may be repeated, each is a tier of its own
  --output FILE          where to write it (default: NAME.torrent, here)
  --piece-length N       bytes in a piece, a power of two: 256K, 1M
                         (default: by size, 2048 pieces at most up to 32 GiB)
  --format KIND          v1, which every program reads (the default); v2, with
                         a hash tree of each file; hybrid, both in one
  --align                let each file begin at a piece, as v2 and hybrid
                         torrents have it anyway; others share pieces then
  --private              peers may come from its trackers only
  --comment TEXT         words for people

A file that exists is never overwritten.

Examples:
  enjambre create photos --tracker http://tracker.example:6969/announce
  enjambre create debian.iso --output /tmp/debian.torrent --piece-length 1M
`,
  show: `Tell what a torrent or a magnet link holds

Usage: enjambre show FILE

FILE is a .torrent file, an http(s) URL of one, or a magnet link.

Examples:
  enjambre show debian.torrent
  enjambre show 'magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a'
`,
  verify: `Check data against a torrent

Usage: enjambre verify TORRENT DIR

DIR is the folder that holds the content, DIR/NAME. Names the files that are
missing or damaged, and then ends with exit code 1; changes nothing.

Example:
  enjambre verify debian.torrent isos
`,
  tracker: `Run a tracker

Usage: enjambre tracker [OPTIONS]

  --hostname ADDRESS     the address to listen on (default: 0.0.0.0)
  --port N               the port to listen on (default: 6969; 0: a free one)
  --interval SECONDS     how often peers are to announce (default: 1800)

Peers announce to http://HOST:PORT/announce; /scrape and /health answer too.

Example:
  enjambre tracker --port 8000 --interval 600
`,
  demo: `Watch a swarm at work on this machine

Usage: enjambre demo

Makes data, a torrent, a tracker, a seed and leechers, and shows how the
content spreads. It needs nothing and leaves nothing behind.
`,
};

/** The help on a command, or the overview. */
export function helpOn(topic: CommandName | null): string {
  return topic === null ? overview : topics[topic];
}
