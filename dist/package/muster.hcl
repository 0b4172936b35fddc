# The agent of this machine. "muster agent -h" tells all options; after a
# change "systemctl reload muster", or restart where the log asks for it.

data_dir = "/var/lib/muster"

# A server. Of three or five, each has the same number and names the others.
#server           = true
#bootstrap_expect = 3

# Whom to join: the servers' addresses.
#retry_join = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]

# The address that other agents reach. Needed where a machine has several
# private ones; {{ GetInterfaceIP "eth0" }} is that of an interface.
#bind_addr = "10.0.0.1"

# Who may ask this agent over HTTP and DNS: by default this machine only.
#client_addr = "127.0.0.1"

# The key that all agents encrypt their gossip with: "muster keygen" makes one.
#encrypt = ""

# The web page at /ui.
#ui_config { enabled = true }
