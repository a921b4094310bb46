def measure_abliteration(configuration, parameters):
    c = configuration
    learned = _learned(c, parameters)
    weights = named_parameters(c.architecture, parameters[None])
    weight, bias = (weights[f'unembedding.{name}'][0].double().numpy() for name in ('weight', 'bias'))
    zero, random = (np.zeros(c.d_model), random_directions(c.d_model, c.seed))

    def curve(of, removed, origin):
        return accuracy_curve(of.states[of.held_out], removed, origin, weight, bias, of.answers[of.held_out])
    measures = {}
    for operation, own in learned.items():
        mean = own.states.mean(0)
        about_mean = curve(own, own.directions, mean)
        others = [curve(other, own.directions, other.states.mean(0)) for name, other in learned.items() if name != operation]
        measures[operation] = Abliteration(validation_accuracy=float(about_mean[0]), about_mean=about_mean, about_zero=curve(own, own.directions, zero), random_about_mean=curve(own, random, mean), random_about_zero=curve(own, random, zero), principal_about_mean=curve(own, principal_directions(own.states), mean), others_about_mean=np.min(others, axis=0) if others else None)
    return measures