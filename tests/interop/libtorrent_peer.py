"""libtorrent as a peer and as an oracle, for the interop tests.

  libtorrent_peer.py facts TORRENT                        prints what libtorrent reads in a torrent
  libtorrent_peer.py create v1|v2|hybrid BYTES PATH       prints the hashes of the torrent that it makes of PATH
  libtorrent_peer.py check TORRENT FOLDER                 checks what lies in FOLDER, and prints how long it took
  libtorrent_peer.py seed TORRENT FOLDER HOST PORT        seeds what lies in FOLDER
  libtorrent_peer.py download TORRENT FOLDER HOST PORT    downloads into FOLDER and goes on as a seed
  libtorrent_peer.py starve TORRENT FOLDER HOST PORT      downloads so slowly that it stays a leecher

One more argument is the most that it sends, in bytes per second.

It prints one JSON object per line, each with its "event", and ends with its standard input.
No DHT, no local discovery, no port mapping, no uTP; peers come from the torrent's trackers alone.
"""

import json
import os
import select
import signal
import sys
import time

import libtorrent as lt

ALERT_WAIT_MS = 100
CHECK_LOOK_SECONDS = 0.005
END_LIMIT_SECONDS = 3
STARVED_BYTES_PER_SECOND = 1024
TROUBLE = (
    lt.tracker_error_alert,
    lt.file_error_alert,
    lt.torrent_error_alert,
    lt.listen_failed_alert,
    lt.hash_failed_alert,
)


def say(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


def facts(path):
    info = lt.torrent_info(path)
    files = info.files()
    hashes = info.info_hashes()
    tiers = {}
    for entry in info.trackers():
        tiers.setdefault(entry.tier, []).append(entry.url)
    listed = [
        {"path": files.file_path(i).replace(os.sep, "/"), "bytes": files.file_size(i)}
        for i in range(files.num_files())
        if not files.file_flags(i) & lt.file_flags_t.flag_pad_file
    ]
    say(
        "facts",
        name=info.name(),
        infoHash=str(hashes.v1) if hashes.has_v1() else None,
        infoHashV2=str(hashes.v2) if hashes.has_v2() else None,
        pieceLength=info.piece_length(),
        pieceCount=info.num_pieces(),
        totalBytes=sum(file["bytes"] for file in listed),
        private=info.priv(),
        files=listed,
        trackers=[tiers[tier] for tier in sorted(tiers)],
        comment=info.comment(),
    )


def create(form, piece_length, path):
    """Makes a torrent in memory, as programs that use libtorrent do."""
    storage = lt.file_storage()
    lt.add_files(storage, path)
    flags = {
        "v1": lt.create_torrent.v1_only,
        "v2": lt.create_torrent.v2_only,
        "hybrid": 0,
    }
    made = lt.create_torrent(storage, piece_size=piece_length, flags=flags[form])
    lt.set_piece_hashes(made, os.path.dirname(path))
    entry = made.generate()
    hashes = lt.torrent_info(lt.bdecode(lt.bencode(entry))).info_hashes()
    say(
        "created",
        infoHash=str(hashes.v1) if hashes.has_v1() else None,
        infoHashV2=str(hashes.v2) if hashes.has_v2() else None,
        pieces=entry[b"info"].get(b"pieces", b"").hex(),
    )


def open_session(host, port):
    return lt.session({
        "listen_interfaces": f"{host}:{port}",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "ssrf_mitigation": False,
        "announce_to_all_trackers": True,
        "alert_mask": lt.alert.category_t.status_notification
        | lt.alert.category_t.error_notification
        | lt.alert.category_t.tracker_notification,
    })


def check(path, folder):
    session = open_session("127.0.0.1", 0)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(path)
    params.save_path = folder
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    start = time.monotonic()
    handle = session.add_torrent(params)
    checking = (lt.torrent_status.checking_files, lt.torrent_status.checking_resume_data)
    while handle.status().state in checking:
        time.sleep(CHECK_LOOK_SECONDS)
    seconds = time.monotonic() - start
    say("checked", seconds=seconds, isWhole=handle.status().is_seeding)


def limit_upload(session, bytes_per_second):
    """Limits what the session sends, to peers on loopback too: those are in a class of their own, without a limit."""
    session.apply_settings({"upload_rate_limit": bytes_per_second})
    everybody = lt.ip_filter()
    everybody.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)
    session.set_peer_class_filter(everybody)


def has_input_ended():
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready) and not os.read(0, 4096)


class Announces:
    """How many announces were sent and not yet answered."""

    def __init__(self):
        self.sent = 0
        self.waiting = 0

    def handle(self, alert):
        if isinstance(alert, lt.tracker_announce_alert):
            self.sent += 1
            self.waiting += 1
        elif isinstance(alert, (lt.tracker_reply_alert, lt.tracker_error_alert)):
            self.waiting -= 1


def handle_alerts(session, announces):
    session.wait_for_alert(ALERT_WAIT_MS)
    for alert in session.pop_alerts():
        announces.handle(alert)
        if isinstance(alert, lt.listen_succeeded_alert):
            say("listening", port=alert.port)
        elif isinstance(alert, TROUBLE):
            say("trouble", message=alert.message())


def end(session, handle, announces):
    """Ends the torrent so that its trackers know: it does not announce its end while another announce is under way."""
    deadline = time.monotonic() + END_LIMIT_SECONDS
    while announces.waiting > 0 and time.monotonic() < deadline:
        handle_alerts(session, announces)
    sent = announces.sent
    handle.pause()
    while (announces.sent == sent or announces.waiting > 0) and time.monotonic() < deadline:
        handle_alerts(session, announces)


def peer(mode, path, folder, host, port, upload_limit=None):
    session = open_session(host, port)
    if upload_limit is not None:
        limit_upload(session, upload_limit)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(path)
    params.save_path = folder
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    params.flags |= lt.torrent_flags.disable_pex
    if mode == "seed":
        params.flags |= lt.torrent_flags.seed_mode
    if mode == "starve":
        params.download_limit = STARVED_BYTES_PER_SECOND
    handle = session.add_torrent(params)
    announces = Announces()
    is_whole = False
    while not stopped and not has_input_ended():
        handle_alerts(session, announces)
        status = handle.status()
        if status.is_seeding and not is_whole:
            is_whole = True
            say("complete", bytes=status.total_wanted_done)
    end(session, handle, announces)
    # The session's end waits until everything is on disk.
    del handle
    del session


stopped = False


def stop(_signal, _frame):
    global stopped
    stopped = True


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
if sys.argv[1] == "facts":
    facts(sys.argv[2])
elif sys.argv[1] == "check":
    check(sys.argv[2], sys.argv[3])
elif sys.argv[1] == "create":
    create(sys.argv[2], int(sys.argv[3]), sys.argv[4])
else:
    peer(*sys.argv[1:5], *map(int, sys.argv[5:]))
