def initial_parameters(arch, seed, embedding_scale=0.02):
    generator = torch.Generator().manual_seed(seed)

    def uniform(shape, bound):
        return (torch.rand(shape, generator=generator) * 2 - 1) * bound
    shapes = network_of(arch).shapes()
    parts = []
    for name, shape in shapes.items():
        if name in ('embedding', 'position'):
            part = torch.randn(shape, generator=generator) * embedding_scale
        elif name.endswith('.gain'):
            part = torch.ones(shape)
        elif name.endswith('attention.in.weight'):
            part = uniform(shape, math.sqrt(6 / (shape[0] + shape[1])))
        elif 'norm' in name or ('.attention.' in name and name.endswith('.bias')):
            part = torch.zeros(shape)
        else:
            inputs = shapes[name.replace('.bias', '.weight')][0]
            part = uniform(shape, 1 / math.sqrt(inputs))
        parts.append(part.reshape(-1))
    return torch.cat(parts)