def initial_state(configurations, device, inputs=None):
    arch = configurations[0].architecture
    dtype = torch.float64 if configurations[0].precision == 'float64' else torch.float32
    members = [initial_parameters(arch, c.seed, c.embedding_scale) if given is None else given for c, given in zip(configurations, inputs or [None] * len(configurations), strict=True)]
    flat = torch.stack([member.to(dtype) for member in members]).to(device)
    zeros = torch.zeros_like(flat)
    return State(step=0, flat=flat, first=zeros, second=zeros.clone(), candidate=flat.clone(), before=flat.clone(), calm=flat.clone(), histories=[History() for _ in configurations])