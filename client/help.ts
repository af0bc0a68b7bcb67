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
  trackers TORRENT       tell how a torrent's trackers do
  overlay                run a node by which peers find each other, or ask one
  demo                   watch a swarm at work on this machine

Options of every command:
  --json                 one JSON object per line on standard output
  -q, --quiet            errors and results only
  -v, --verbose          also what happens inside, on standard error
  -h, --help             help, also on one command: enjambre seed --help
  -V, --version          the version

The older system's options work without a command; they download, then seed:
  enjambre --torrent=FILE --archives=DIR --hostname=HOST
  and with no tracker: --discovery-mode=overlay --bootstrap=HOST:PORT,HOST:PORT

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted
`;

const overlayOptions = `  --overlay-replication N
                         how many nodes hold what is known of a torrent, or all
                         (default: all, from 64 nodes on 8)
  --overlay-cluster NAME its name: nodes of another overlay are strangers
  --overlay-secret-file FILE
                         what all its nodes share; others cannot join then
  --overlay-compat       understand nodes of the older system, unsigned
`;

const swarmOptions = `  --peer HOST:PORT       a peer to begin with; may be repeated ([IPv6]:PORT)
  --tracker URL          a tracker to ask first; may be repeated
  --announce-to-all      announce to every tracker, not to one at a time
  --port N               listen on this port (default: 6881, or a free one)
  --hostname HOST        the name under which others reach this machine
  --max-peers N          most connections at once (default: 100)
  --upload-limit RATE    most bytes sent per second, such as 500K or 8M
  --download-limit RATE  most bytes fetched per second
  --state DIR            where to keep what is known of torrents between runs
                         (default: ~/.local/state/enjambre)

The overlay: peers tell each other who has what, with no tracker
  --discovery-mode HOW   tracker, overlay (no tracker is asked) or both
                         (default: both with an option below, else tracker)
  --bootstrap NODES      where to begin: HOST:PORT,HOST:PORT; may be repeated
  --overlay-port N       where nodes reach us (default: 6000, or a free one);
                         by the name that --hostname gives
${overlayOptions}`;

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
  enjambre download debian.torrent --bootstrap node1.example:6000
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

  --hostname ADDRESS     the address to listen on (default: 0.0.0.0; ::, all of
                         IPv6 and IPv4)
  --port N               the port to listen on (default: 6969; 0: a free one)
  --udp-port N           the port for UDP (default: the same); --no-udp: none
  --interval SECONDS     how often peers are to announce (default: 1800)
  --workers N            answer HTTP in N threads (default: 1)
  --cert FILE, --key FILE
                         HTTPS, with these certificates and this key (PEM)

  --allow FILE           serve these torrents only: info-hashes, one a line
  --deny FILE            do not serve these
  --passkeys FILE        serve only http://HOST:PORT/PASSKEY/announce, with a
                         passkey of this list
  --full-scrape          let /scrape tell of all torrents at once
  --rate N               most requests per second from one address
  --max-connections N    most connections at once of a thread (default: 15000)
  --address-connections N
                         most of them from one address
  --trusted-proxy RANGE  believe X-Forwarded-For from there: an address or
                         10.0.0.0/8; may be repeated
  --trusted-client RANGE believe the ip parameter from there; may be repeated
  --access-log           log every request, on standard error
  --metrics-port N       tell Prometheus at http://HOST:N/metrics

Trackers that know the same swarms, whichever of them is announced to
  --cluster NODES        the others: HOST:PORT,HOST:PORT; may be repeated
  --cluster-port N       where they reach this one (default: 6970)
  --cluster-hostname HOST
                         by which name or address (default: --hostname, else an
                         address of this machine)
  --cluster-secret-file FILE
                         what all of them share; nobody else can join

Or any number of trackers that keep their swarms in one Redis or Valkey
  --store URL            redis://HOST:PORT, redis://USER:PASSWORD@HOST:PORT/1;
                         rediss: for TLS; for a cluster HOST:PORT,HOST:PORT

Peers announce to http://HOST:PORT/announce and udp://HOST:PORT; /scrape,
/health and /stats answer too. The lists are read again on SIGHUP. Every
option may be a variable: ENJAMBRE_TRACKER_PORT, ENJAMBRE_TRACKER_ALLOW, …

Example:
  enjambre tracker --port 8000 --interval 600
`,
  trackers: `Tell how a torrent's trackers do

Usage: enjambre trackers TORRENT [OPTIONS]

TORRENT is a .torrent file, an http(s) URL of one, or a magnet link. Probes all
of its trackers, without announcing: for each the latency, the seeds and
leechers that it counts, when a running client is going to announce to it, and
what went wrong. Ends with exit code 1 when none of them answers.

  --tracker URL          a tracker besides; may be repeated
  --state DIR            where the running client keeps what it knows
                         (default: ~/.local/state/enjambre)

Example:
  enjambre trackers debian.torrent
`,
  overlay: `Run a node of the overlay, by which peers find each other

Usage: enjambre overlay [OPTIONS]
       enjambre overlay status [HOST:PORT] [--state DIR]

Runs until interrupted; it fetches and gives nothing itself. One that is always
there is a good place for others to begin: --bootstrap HOST:PORT. With status
it shows how the nodes of this machine are, clients' nodes too: members,
records, rounds, lag. HOST:PORT names one of them.

  --port N               where nodes reach it (default: 6000; 0: a free one)
  --hostname HOST        the name under which others reach this machine
                         (default: an address of it)
  --bootstrap NODES      where to begin: HOST:PORT,HOST:PORT; may be repeated
${overlayOptions}  --state DIR            where its key is (default: ~/.local/state/enjambre)

Examples:
  enjambre overlay --hostname node1.example
  enjambre overlay --port 6001 --bootstrap node1.example:6000
  enjambre overlay status
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
