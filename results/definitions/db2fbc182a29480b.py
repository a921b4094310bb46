def measure_geometry(configuration, parameters):
    c = configuration
    learned = _learned(c, parameters)
    numbers = named_parameters(c.architecture, parameters[None])['embedding'][0, :c.modulus].double().numpy()
    measures = {}
    for operation, own in learned.items():
        measures[operation] = Geometry(mean_share=mean_share(own.states), spectrum=activation_spectrum(own.states), singular_values=own.singular_values, fourier_power=fourier_power(numbers))
        if (others := [other for name, other in learned.items() if name != operation]):
            rank = min((len(one.directions) for one in learned.values()))
            overlaps = [subspace_overlap(own.directions[:rank], other.directions[:rank]) for other in others]
            measures[operation] = dataclasses.replace(measures[operation], overlap=np.max([squared for squared, _ in overlaps], axis=0), overlap_cosine=np.max([cosines for _, cosines in overlaps], axis=0))
    return measures