def network_of(arch):
    network: None = named(NETWORKS[arch.network])(arch)
    return network