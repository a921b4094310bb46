def named_parameters(arch, flat):
    shapes = parameter_shapes(arch)
    parts = flat.split([math.prod(shape) for shape in shapes.values()], dim=1)
    return {name: part.reshape(flat.shape[0], *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}