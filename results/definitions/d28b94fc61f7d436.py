def measure(configuration, parameters):
    c = configuration
    questions = table(c.modulus, c.operations, c.shuffled_answers)
    training = training_rows(questions, c.train_fraction, c.seed)
    weights = named_parameters(c.architecture, parameters[None])
    unembedding = weights['unembedding.weight'][0].double().numpy()
    bias = weights['unembedding.bias'][0].double().numpy()
    numbers = weights['embedding'][0, :c.modulus].double().numpy()
    random = random_directions(c.d_model, c.seed)
    states, answers, held_out, directions, singular_values = ({}, {}, {}, {}, {})
    for operation in c.operations:
        rows = questions.rows_of(operation)
        states[operation] = final_states(c, parameters, questions.questions[rows])
        answers[operation] = questions.answers[rows]
        held_out[operation] = ~training[rows]
        found = class_directions(states[operation], answers[operation], c.modulus)
        directions[operation], singular_values[operation] = found

    def curve(operation, removed, origin):
        held = held_out[operation]
        return accuracy_curve(states[operation][held], removed, origin, unembedding, bias, answers[operation][held])
    measures = {}
    for operation in c.operations:
        mean, zero = (states[operation].mean(0), np.zeros(c.d_model))
        own = questions.rows_of(operation)
        seen = own[training[own]]

        def gradients(batch_size, seen=seen):
            return squared_gradients(c, parameters, questions.questions[seen], questions.answers[seen], batch_size)
        about_mean = curve(operation, directions[operation], mean)
        alone = Measures(validation_accuracy=float(about_mean[0]), mean_share=mean_share(states[operation]), spectrum=activation_spectrum(states[operation]), singular_values=singular_values[operation], fourier_power=fourier_power(numbers), about_mean=about_mean, about_zero=curve(operation, directions[operation], zero), random_about_mean=curve(operation, random, mean), random_about_zero=curve(operation, random, zero), principal_about_mean=curve(operation, principal_directions(states[operation]), mean), gradient_small=gradients(SMALL), gradient_large=gradients(LARGE))
        others = [other for other in c.operations if other != operation]
        if others:
            overlaps = [subspace_overlap(directions[operation], directions[other]) for other in others]
            alone = dataclasses.replace(alone, others_about_mean=np.min([curve(other, directions[operation], states[other].mean(0)) for other in others], axis=0), overlap=np.max([squared for squared, _ in overlaps], axis=0), overlap_cosine=np.max([cosines for _, cosines in overlaps], axis=0))
        measures[operation] = alone
    return measures