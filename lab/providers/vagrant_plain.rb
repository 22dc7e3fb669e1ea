# What the Vagrantfile needs for a plain `vagrant up` on a host with its own libvirt: the plan that the
# lab otherwise writes, made from lab.yaml, with a key of its own and no registry.

require "base64"
require "digest"
require "fileutils"
require "ipaddr"
require "json"
require "yaml"
require "zlib"

module DiscoveryLab
  FIRST_HOST = 101 # as in lab/topology.py
  COMMAND_LINE_LIMIT = 2047 # as in lab/providers/vagrant_plan.py

  class Unable < Vagrant::Errors::VagrantError
    def initialize(message)
      @explanation = message
      super()
    end

    def error_message = @explanation
  end

  module_function

  def plan(root)
    lab = YAML.safe_load(File.read(File.join(root, "lab.yaml"))) || {}
    recipe = YAML.safe_load(File.read(File.join(root, "provision/box/recipe.yaml")))
    disk = newest_disk
    machines = complete(lab)
    key = ssh_key(root)
    box = register(disk)
    {
      "box" => box, "box_version" => "1.0.0", "kernel" => "#{disk}/kernel", "initrd" => "#{disk}/initrd",
      "ssh_key" => key, "kvm" => File.exist?("/dev/kvm") && ENV["LAB_KVM"] != "no",
      "wait" => true, "boot_timeout" => 600,
      "machines" => machines.map { |machine| described(machine, machines, lab, recipe, key) }
    }
  end

  def home = ENV["LAB_HOME"].to_s.empty? ? "/var/lib/discovery-lab" : ENV["LAB_HOME"]

  def newest_disk
    found = Dir.glob("#{home}/boxes/vm-*/disk.qcow2").max_by { |disk| File.mtime(disk) }
    return File.dirname(found) if found

    raise Unable, "No box for virtual machines in #{home}/boxes. Build one with `sudo lab box build --vm`," \
                  " or name the folder that holds it in LAB_HOME."
  end

  # Vagrant's own `box add` would copy the image twice; a folder of this shape is all that it looks for.
  def register(disk)
    name = "discovery-lab-#{File.basename(disk)}"
    vagrant_home = ENV["VAGRANT_HOME"] || File.expand_path("~/.vagrant.d")
    folder = File.join(vagrant_home, "boxes", name, "1.0.0", "libvirt")
    FileUtils.mkdir_p(folder)
    bytes = JSON.parse(`qemu-img info --output=json #{disk}/disk.qcow2`).fetch("virtual-size")
    metadata = { provider: "libvirt", format: "qcow2", virtual_size: (bytes / (1024.0**3)).ceil }
    File.write(File.join(folder, "metadata.json"), JSON.generate(metadata))
    FileUtils.ln_sf("#{disk}/disk.qcow2", File.join(folder, "box.img"))
    name
  end

  def ssh_key(root)
    key = File.join(ENV["VAGRANT_DOTFILE_PATH"] || File.join(root, ".vagrant"), "lab/id_ed25519")
    return key if File.exist?(key)

    FileUtils.mkdir_p(File.dirname(key))
    made = system("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key)
    made ? key : raise(Unable, "ssh-keygen could not make #{key}")
  end

  def networks(lab)
    defaults = { "private" => "10.1.0.0/24", "public" => "203.0.113.0/24", "control" => "192.168.121.0/24" }
    defaults.merge(lab["networks"] || {})
  end

  def complete(lab)
    names = lab["machines"] || (1..3).map { |number| { "name" => "coreos-#{number}" } }
    names.each_with_index.map do |machine, index|
      places = networks(lab).transform_values do |network|
        (IPAddr.new(network).to_i + FIRST_HOST + index).then { |number| IPAddr.new(number, Socket::AF_INET).to_s }
      end
      { "memory" => 1024, "cpus" => 1, "autostart" => true, "etcd" => "member", "metadata" => {} }.merge(places).merge(machine)
    end
  end

  def described(machine, machines, lab, recipe, key)
    id = Digest::MD5.hexdigest("vagrant/#{machine["name"]}")
    env = identity(machine, machines, lab, id, File.read("#{key}.pub").strip)
    text = env.map { |name, value| "#{name}='#{value}'\n" }.join
    config = Base64.strict_encode64(Zlib.gzip(text, level: 9))
    line = "#{recipe["vm"]["arguments"].strip} systemd.machine_id=#{id} lab.config=#{config}"
    if line.length > COMMAND_LINE_LIMIT
      raise Unable, "#{machine["name"]}: its kernel command line would have #{line.length} bytes, and a kernel" \
                    " takes #{COMMAND_LINE_LIMIT}; have fewer machines, or less metadata on them."
    end
    links = %w[private public].reject { |network| machine[network].nil? }.map do |network|
      prefix = IPAddr.new(networks(lab)[network]).prefix
      { "address" => machine[network], "netmask" => IPAddr.new("255.255.255.255").mask(prefix).to_s }
    end
    machine.slice("name", "memory", "cpus", "control", "autostart")
           .merge("command_line" => line, "networks" => links, "control_network" => networks(lab)["control"])
  end

  def addresses(machines) = machines.map { |one| "#{one["name"]}=#{one["private"]}" }.join(",")

  def etcd_state(machine)
    return "proxy" if machine["etcd"] == "proxy"

    machine["autostart"] ? "new" : "existing"
  end

  # One that does not start by itself joins those that do, once `etcdctl member add` has told them of it.
  def members(machine, machines)
    machines.select { |one| one["etcd"] == "member" && (one["autostart"] || one.equal?(machine)) }
  end

  def identity(machine, machines, lab, id, public_key)
    nets = networks(lab)
    with_prefix = ->(network) { machine[network] && "#{machine[network]}/#{IPAddr.new(nets[network]).prefix}" }
    gateway = IPAddr.new(nets["private"]).succ.to_s
    {
      "LAB_NAME" => "vagrant", "LAB_HOSTNAME" => machine["name"], "LAB_MACHINE_ID" => id,
      "LAB_CONTROL_ADDRESS" => with_prefix["control"], "LAB_PRIVATE_ADDRESS" => with_prefix["private"],
      "LAB_PUBLIC_ADDRESS" => with_prefix["public"].to_s, "LAB_GATEWAY" => gateway, "LAB_REGISTRY" => gateway,
      "LAB_PEERS" => addresses(machines),
      "LAB_ETCD_STATE" => etcd_state(machine), "LAB_ETCD_MEMBERS" => addresses(members(machine, machines)),
      "LAB_ETCD_HEARTBEAT_MS" => "500", "LAB_ETCD_ELECTION_MS" => "5000",
      "LAB_FLEET" => lab.dig("fleet", "enabled") == false ? "no" : "yes",
      "LAB_FLEET_AGENT_TTL" => lab.dig("fleet", "agent_ttl") || "30s",
      "LAB_FLEET_METADATA" => machine["metadata"].map { |name, value| "#{name}=#{value}" }.join(","),
      "LAB_SSH_KEY" => public_key, "LAB_CA" => ""
    }
  end
end
