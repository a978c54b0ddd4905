//! Eigenvalues and eigenvectors of a symmetric matrix by Jacobi rotations: the same on every machine.

/// Sweeps after which any matrix of a search has long converged.
const SWEEPS: usize = 60;

/// Eigenvalues, and a matrix whose columns are the eigenvectors.
pub fn eigen(matrix: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = matrix.len();
    let mut a: Vec<Vec<f64>> = matrix.to_vec();
    let mut v: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j] * a[i][j]).sum();
        let diagonal: f64 = (0..n).map(|i| a[i][i] * a[i][i]).sum();
        if off <= 1e-30 * diagonal {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut v, p, q);
            }
        }
    }
    ((0..n).map(|i| a[i][i]).collect(), v)
}

/// Makes the entry at (p, q) zero.
fn rotate(a: &mut [Vec<f64>], v: &mut [Vec<f64>], p: usize, q: usize) {
    if a[p][q] == 0.0 {
        return;
    }
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    let turn = |row: &mut Vec<f64>| {
        let (x, y) = (row[p], row[q]);
        (row[p], row[q]) = (c * x - s * y, s * x + c * y);
    };
    a.iter_mut().for_each(turn);
    let (above, below) = a.split_at_mut(q);
    for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
    v.iter_mut().for_each(turn);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The matrix comes out again, and the vectors stand at right angles.
        #[test]
        fn the_matrix_comes_out_again(entries in prop::collection::vec(-3.0f64..3.0, 25)) {
            let m: Vec<Vec<f64>> =
                (0..5).map(|i| (0..5).map(|j| entries[i * 5 + j] + entries[j * 5 + i]).collect()).collect();
            let (values, v) = eigen(&m);
            for i in 0..5 {
                for j in 0..5 {
                    let again: f64 = (0..5).map(|k| v[i][k] * values[k] * v[j][k]).sum();
                    prop_assert!((again - m[i][j]).abs() < 1e-11, "{again} {}", m[i][j]);
                    let dot: f64 = (0..5).map(|k| v[k][i] * v[k][j]).sum();
                    prop_assert!((dot - f64::from(u8::from(i == j))).abs() < 1e-12);
                }
            }
        }
    }
}
