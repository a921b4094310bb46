def sum_of_rows(dy):
    return product(dy.new_ones(len(dy), 1, dy.shape[1]), dy)