#!/bin/sh
# The paper's tables on a prepared dataset, every method with the same optimiser time.
#
#   scripts/paper_tables.sh DATA OUT MINUTES
#
# Seven trainings one after the other (skipped where weights stand already), then both tables and the rate.
# Tables judge four tiles of 512x512 of every test file. U-net and Invertible Grayscale are trained as the paper says,
# without a simulated JPEG; U-net with one as well.
set -eu
data=$1 out=$2 minutes=$3
bin=${BIN:-.venv/bin}
common="--minutes $minutes --patch 96 --white adjusted --white-balance min --cfa RGGB --seed 0"

train() {
    name=$1
    shift
    [ -e "$out/$name/CARD.md" ] || ${WRAP:-} "$bin/invisp-train" "$data" -o "$out/$name" $common "$@"
}

train fourier --config edge --rounding fourier
train none --config edge --rounding none
train unet --method unet --rounding none
train dsq --config edge --rounding dsq
train cycleisp --method cycleisp --rounding fourier
train grayscale --method grayscale --rounding none
train unet-fourier --method unet --rounding fourier

${WRAP:-} "$bin/invisp-eval" table1 "$data" --tiles 4 --overwrite -o "$out/table1" \
    --run "CycleISP=$out/cycleisp" --run "Invertible Grayscale=$out/grayscale" --run "U-net=$out/unet" \
    --run "U-net, Fourier=$out/unet-fourier" --run "InvISP, no simulation=$out/none" \
    --run "InvISP, DSQ=$out/dsq" --run "InvISP, Fourier=$out/fourier"
${WRAP:-} "$bin/invisp-eval" table2 "$data" --tiles 4 --overwrite -o "$out/table2" --run "InvISP, Fourier=$out/fourier"
${WRAP:-} "$bin/invisp-eval" rate "$data" --tiles 4 --overwrite -o "$out/rate" --run "InvISP, Fourier=$out/fourier"
