def exact(share):
    return Fraction(str(share))