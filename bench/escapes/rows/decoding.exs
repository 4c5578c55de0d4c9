defmodule Bench.Escapes.Rows.Decoding do
  # Small input that takes much memory once decoded.

  import Bench.Escapes.{Data, Row}

  @nils 30_000_000

  def rows do
    [
      row(":erlang.binary_to_term of 30 million empty lists", 1.5, fn ->
        length(:erlang.binary_to_term(external_nils(@nils)))
      end),
      row(
        ":erlang.binary_to_term of a compressed binary of 1 GB",
        15.4,
        [
          why: "the VM inflates it in one go; BoundedBinary.to_term/2 counts it first",
          prepare: fn -> compressed_term(1_000_000_000) end
        ],
        fn bomb -> byte_size(:erlang.binary_to_term(bomb)) end
      ),
      row(
        ":zlib.gunzip to 1 GB",
        [{25, 1.5}, {29, 1.8}],
        [
          prepare: fn -> gzip(1_000_000_000) end,
          why: "1.46 to 1.63 on OTP 29: as many pieces as are made until the guard has its answer"
        ],
        fn bomb -> byte_size(:zlib.gunzip(bomb)) end
      ),
      row(
        ":zlib.inflate to 1 GB of iodata",
        1.5,
        [prepare: fn -> gzip(1_000_000_000) end],
        fn bomb ->
          zlib = :zlib.open()
          :ok = :zlib.inflateInit(zlib, 31)
          length(:zlib.inflate(zlib, bomb))
        end
      ),
      row(
        "BoundedBinary.inflate to 1 GB, unlimited",
        1.1,
        [prepare: fn -> gzip(1_000_000_000) end],
        fn bomb ->
          byte_size(BoundedBinary.inflate(bomb, max_bytes: :infinity, max_ratio: :infinity))
        end
      ),
      row("BoundedBinary.to_term of 30 million empty lists", 1.1, fn ->
        length(BoundedBinary.to_term(external_nils(@nils), max_bytes: :infinity))
      end),
      row(
        "BoundedBinary.to_term of 1.8 million external pids",
        1.5,
        [
          why:
            "refused unless allow: [:external]: the VM keeps an entry for each node for a minute",
          ends: :either
        ],
        fn -> length(for part <- 1..18, do: decoded(external_pids(part, 100_000))) end
      )
    ]
  end

  defp decoded(binary), do: length(BoundedBinary.to_term(binary))

  # Of as many incarnations of a node as there are pids: each has an entry in the VM's table of nodes.
  defp external_pids(part, count) do
    node = "nonode@nohost"

    pids =
      for i <- 1..count,
          do: <<88, 119, byte_size(node), node::binary, 1::32, 0::32, part * count + i::32>>

    IO.iodata_to_binary([<<131, 108, count::32>>, pids, 106])
  end
end
