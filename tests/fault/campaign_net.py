# SPDX-License-Identifier: Apache-2.0
"""Machines for a campaign: network namespaces, each with a cable to one or more switches (bridges), all inside
one namespace of networks, mounts and processes that the test itself enters first. So nothing of it is seen
outside, and all of it goes with the test, however that ends.

To cut a cable is to unplug it at the switch: links stay up, addresses, routes and (permanent) neighbours stay
known, and packets are lost in silence, as behind a dead switch or a dropping firewall; nothing is refused."""
import os, shutil, subprocess, sys
from campaign import skip

INSIDE = "GLEANER_CAMPAIGN_NET"


def enter():
    """Starts this program once more, inside."""
    if os.environ.get(INSIDE) == "1":
        return
    tools = [tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None]
    if tools or os.geteuid() != 0 or subprocess.run(["unshare", "-nm", "true"], capture_output=True).returncode != 0:
        skip(f"needs root, network namespaces and {', '.join(tools) or 'the right to make them'}")
    os.environ[INSIDE] = "1"
    # --kill-child: when this is killed, the first process inside is, and with it all others
    os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-B", *sys.argv])


def sh(command):
    done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"FAILED: {command}\n{done.stderr}")


class Net:
    """switches: name -> number of the network 10.NUMBER.0.0/24; we are .1 (and the next `ours` addresses) in each."""

    def __init__(self, switches, nodes, ours=1):
        self.switches, self.nodes = switches, {name: at for at, name in enumerate(nodes, 11)}
        os.makedirs("/run/netns", exist_ok=True)
        sh("mount -t tmpfs none /run/netns; ip link set lo up")
        for switch, number in switches.items():
            sh(f"ip link add {switch} address {self.mac(number, 1)} type bridge; ip link set {switch} up")
            for i in range(1, ours + 1):
                sh(f"ip addr add 10.{number}.0.{i}/24 dev {switch}")
        for node in self.nodes:
            self.make(node)
        for node in self.nodes:
            self.introduce(node, ours)

    @staticmethod
    def mac(number, at):
        return f"02:00:00:00:{number:02x}:{at:02x}"

    def make(self, node):
        at = self.nodes[node]
        sh(f"ip netns add {node}; ip -n {node} link set lo up")
        for switch, number in self.switches.items():
            sh(f"ip link add {node}-{switch} type veth peer name {switch} address {self.mac(number, at)} netns {node};"
               f"ip -n {node} addr add 10.{number}.0.{at}/24 dev {switch}; ip -n {node} link set {switch} up;"
               f"ip link set {node}-{switch} master {switch} up")

    def introduce(self, node, ours):
        """Neighbours that never have to be asked for: an unanswered question would become an error."""
        for switch, number in self.switches.items():
            sh(f"ip neigh replace 10.{number}.0.{self.nodes[node]} lladdr {self.mac(number, self.nodes[node])} dev {switch} nud permanent")
            for i in range(1, ours + 1):
                sh(f"ip -n {node} neigh replace 10.{number}.0.{i} lladdr {self.mac(number, 1)} dev {switch} nud permanent")
            for other, at in self.nodes.items():
                if other != node:
                    sh(f"ip -n {node} neigh replace 10.{number}.0.{at} lladdr {self.mac(number, at)} dev {switch} nud permanent")

    def address(self, node, switch):
        return f"10.{self.switches[switch]}.0.{self.nodes[node]}"

    def command(self, node, arguments):
        """The same process number outside and inside: nsenter becomes the program."""
        return ["nsenter", f"--net=/run/netns/{node}", *arguments]

    def cut(self, node, switch):
        sh(f"ip link set {node}-{switch} nomaster")

    def mend(self, node, switch):
        sh(f"ip link set {node}-{switch} master {switch}")


def name_hosts(path, addresses):
    """These names and no others, for everything inside."""
    with open(path, "w") as f:
        f.write("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in addresses.items()))
    sh(f"mount --bind {path} /etc/hosts")
