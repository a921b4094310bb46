def named_parameters(arch, flat):
    return network_of(arch).parameters(flat)