"""libtorrent as fast as it goes, to measure against.

  libtorrent_peer.py seed TORRENT FOLDER PORT [LIMIT]        seeds what lies in FOLDER, until its input ends
  libtorrent_peer.py download TORRENT FOLDER PORT [LIMIT]    downloads into FOLDER, then ends
  libtorrent_peer.py stay TORRENT FOLDER PORT [LIMIT]        downloads into FOLDER, and goes on as a seed

LIMIT is the most that it sends, in bytes per second. Its settings are libtorrent's own for a fast seed, room for many
connections, and nothing that looks for peers but the torrent's trackers. Prints one JSON object per line.
"""

import json
import os
import select
import signal
import sys

import libtorrent as lt

ALERT_WAIT_MS = 100
CONNECTIONS_MAX = 2000


def say(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


def open_session(mode, port, upload_limit):
    settings = lt.high_performance_seed() if mode == "seed" else {}
    settings.update({
        "listen_interfaces": f"127.0.0.1:{port}",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True,
        "ssrf_mitigation": False,
        "connections_limit": CONNECTIONS_MAX,
        "connection_speed": CONNECTIONS_MAX,
        "alert_mask": lt.alert.category_t.status_notification
        | lt.alert.category_t.error_notification,
    })
    session = lt.session(settings)
    if upload_limit is not None:
        # Peers on loopback are in a class of their own, without a limit.
        session.apply_settings({"upload_rate_limit": upload_limit})
        everybody = lt.ip_filter()
        everybody.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)
        session.set_peer_class_filter(everybody)
    return session


def has_input_ended():
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(ready) and not os.read(0, 4096)


def main(mode, path, folder, port, upload_limit=None):
    session = open_session(mode, port, upload_limit)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(path)
    params.save_path = folder
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    params.flags |= lt.torrent_flags.disable_pex
    if mode == "seed":
        params.flags |= lt.torrent_flags.seed_mode
    handle = session.add_torrent(params)
    is_over = False
    while not is_over and not stopped and not has_input_ended():
        session.wait_for_alert(ALERT_WAIT_MS)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.listen_succeeded_alert):
                say("listening", port=alert.port)
            elif isinstance(alert, lt.torrent_finished_alert) and mode != "seed":
                say("complete")
                is_over = mode == "download"
    # The session's end waits until everything is on disk.
    del handle
    del session


stopped = False


def stop(_signal, _frame):
    global stopped
    stopped = True


signal.signal(signal.SIGTERM, stop)
main(*sys.argv[1:4], *map(int, sys.argv[4:]))
