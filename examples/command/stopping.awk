# Fits a polynomial to stopping distances by gradient descent with momentum, in POSIX awk.
#
#   awk -v rate=0.05 -v momentum=0.9 -v degree=2 -v ridge=0.1 -f stopping.awk cars.csv
#
# Every fourth row is held out. A line of JSON every 10 epochs says the error on those rows, in feet; a last line
# without a step says the final one. Run by hand it just prints them.

BEGIN { FS = "," }

FNR > 1 {
    n++
    speed[n] = ($1 - 15) / 10        # about -1 to 1, so that powers of it stay there
    distance[n] = $2 / 50
}

function predicted(row,    k, power, sum) {
    sum = 0
    power = 1
    for (k = 0; k <= degree; k++) {
        sum += weight[k] * power
        power *= speed[row]
    }
    return sum
}

function held_out_error(    row, sum, count, miss) {
    sum = count = 0
    for (row = 4; row <= n; row += 4) {
        miss = (predicted(row) - distance[row]) * 50
        sum += miss * miss
        count++
    }
    return sqrt(sum / count)
}

function descend(    row, k, miss, power, rows) {
    for (k = 0; k <= degree; k++)
        slope[k] = k > 0 ? ridge * weight[k] : 0
    rows = n - int(n / 4)
    for (row = 1; row <= n; row++) {
        if (row % 4 == 0)
            continue
        miss = predicted(row) - distance[row]
        power = 1
        for (k = 0; k <= degree; k++) {
            slope[k] += miss * power / rows
            power *= speed[row]
        }
    }
    for (k = 0; k <= degree; k++) {
        velocity[k] = momentum * velocity[k] - rate * slope[k]
        weight[k] += velocity[k]
    }
}

END {
    for (epoch = 1; epoch <= 300; epoch++) {
        descend()
        if (epoch % 10 == 0) {
            printf "{\"step\": %d, \"error_ft\": %.6f}\n", epoch, held_out_error()
            fflush()                  # output to a pipe waits in a buffer otherwise, and so would the stop
        }
    }
    printf "{\"error_ft\": %.6f}\n", held_out_error()
}
