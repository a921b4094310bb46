def initial_state(configurations, device):
    arch = configurations[0].architecture
    dtype = torch.float64 if configurations[0].precision == 'float64' else torch.float32
    flat = torch.stack([initial_parameters(arch, c.seed, c.embedding_scale) for c in configurations]).to(device, dtype)
    zeros = torch.zeros_like(flat)
    return State(0, flat, zeros, zeros.clone(), flat.clone(), [History() for _ in configurations])