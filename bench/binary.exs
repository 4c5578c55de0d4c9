# mix run binary.exs [ROUNDS]: BoundedBinary against the standard library; the results are kept, dated.
rounds = System.argv() |> List.first("5") |> String.to_integer()
text = rounds |> Bench.Binary.run() |> Bench.Binary.table() |> IO.iodata_to_binary()
IO.puts([Bench.Machine.describe(), "\n\n", text])

File.mkdir_p!("results")
file = "results/#{Date.utc_today()}-binary.txt"
File.write!(file, [Bench.Machine.describe(), "\n\n", text])
IO.puts("kept in bench/#{file}")
