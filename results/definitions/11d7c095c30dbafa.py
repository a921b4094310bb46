def measure(configuration, parameters):
    c = configuration
    questions = table(c.modulus, c.operations, c.shuffled_answers)
    training = training_rows(questions, c.train_fraction, c.seed)
    weights = named_parameters(c.architecture, parameters[None])
    unembedding = weights['unembedding.weight'][0].double().numpy()
    bias = weights['unembedding.bias'][0].double().numpy()
    numbers = weights['embedding'][0, :c.modulus].double().numpy()
    measures = {}
    for operation in c.operations:
        rows = questions.rows_of(operation)
        states = final_states(c, parameters, questions.questions[rows])
        answers = questions.answers[rows]
        directions, singular_values = class_directions(states, answers, c.modulus)
        validation = ~training[rows]
        held_out, held_answers = (states[validation], answers[validation])
        mean, zero = (states.mean(0), np.zeros(c.d_model))

        def curve(directions, origin, states=held_out, answers=held_answers):
            return accuracy_curve(states, directions, origin, unembedding, bias, answers)
        random = random_directions(c.d_model, c.seed)
        about_mean = curve(directions, mean)
        measures[operation] = Measures(validation_accuracy=float(about_mean[0]), mean_share=mean_share(states), spectrum=activation_spectrum(states), singular_values=singular_values, fourier_power=fourier_power(numbers), about_mean=about_mean, about_zero=curve(directions, zero), random_about_mean=curve(random, mean), random_about_zero=curve(random, zero))
    return measures