defmodule BoundedBinary do
  @moduledoc """
  Keeps the bytes you want and lets go of the binary they came from.

  `:binary.part/3`, pattern matching and `String.split/2` return sub-binaries: a 100-byte field cut out
  of a 50 MB body keeps the 50 MB alive for as long as the field lives, in a process, in ETS, in a
  mailbox. The functions here return bytes of their own, and charge them, before they are allocated, to
  the `Quota` of the calling process, or to the node when there is none. The charge follows the bytes,
  not the process: it survives messages, ETS, `:persistent_term` and the death of the process, and is
  refunded when the last reference goes.

  | to | use |
  | --- | --- |
  | keep a binary, or a part of one | `copy/1`, `slice/3` |
  | keep many fields of one body | `slices/3` |
  | let go of bodies in a message, an ETS row or a state | `compact/2`; `retained/1` says what it would gain |
  | go through pieces or lines | `split/3`, `lines/2` |
  | make a binary of unknown size | `concat/1`, `read_file/2`, `inflate/2`, `term_to_binary/2` |
  | decode `:erlang.term_to_binary/1` | `to_term/2` |

  A result of at most 64 bytes lives in the heap of its process; a copy of at most 512 KiB is an ordinary
  binary, which the VM counts by itself in every process that holds it. What is larger is charged. No call
  holds a scheduler for more than a millisecond: copies over 1 MiB are made in steps of 256 KiB.

  Every function raises `Quota.ExceededError` when the charge is refused, or when the system has not that much
  memory, and `ArgumentError` where its counterpart in the standard library does.
  """

  alias Bounded.{Bytes, Native}
  alias BoundedBinary.{Compact, Concat, Copy, Encode, Filling, Inflate, Retained, Split, Terms}

  # `slice::PLAIN_MAX` of the core.
  @plain_max 512 * 1024

  @default_max_bytes 64 * 1024 * 1024

  # Of `inflate/2`.
  @max_ratio 1_000

  # More than any machine has, and few enough to be multiplied.
  @absurd Bitwise.bsl(1, 60)

  # What `to_term/2` refuses unless it is allowed.
  @kinds [:function, :reference, :port, :external]

  # Of `compact/2`.
  @ratio 2
  @bytes 64

  @doc """
  A copy of `binary` that refers to no other binary, as `:binary.copy/1`.

      iex> body = String.duplicate("x", 1_000)
      iex> field = BoundedBinary.copy(binary_part(body, 0, 600))
      iex> {byte_size(field), :binary.referenced_byte_size(field)}
      {600, 600}
  """
  @spec copy(binary) :: binary
  defdelegate copy(binary), to: Copy, as: :run

  @doc """
  `n` copies of `binary`, one after the other, as `:binary.copy/2`.

      iex> BoundedBinary.copy("ab", 3)
      "ababab"
  """
  @spec copy(binary, non_neg_integer) :: binary
  def copy(binary, n) when is_integer(n) and byte_size(binary) * n > @plain_max do
    size = byte_size(binary)
    per_block = max(1, div(@plain_max, size))
    block = if per_block == 1, do: binary, else: :binary.copy(binary, per_block)

    (size * n)
    |> Filling.new()
    |> append_times(block, div(n, per_block))
    |> Filling.append(binary_part(block, 0, rem(n, per_block) * size))
    |> Filling.finish()
  end

  def copy(binary, n), do: :binary.copy(binary, n)

  @doc """
  The `length` bytes of `binary` from `position` on, as `:binary.part/3`, without keeping `binary` alive.

  A negative `length` takes the bytes before `position`.

      iex> BoundedBinary.slice("id=4711;name=x", 3, 4)
      "4711"
      iex> BoundedBinary.slice("id=4711;name=x", 14, -6)
      "name=x"
  """
  @spec slice(binary, non_neg_integer, integer) :: binary
  def slice(binary, position, length), do: binary |> binary_part(position, length) |> copy()

  @doc """
  Many slices of one binary: `slice/3` for every `{position, length}`, in order.

  With `shared: true` all of them are parts of one new block, which lives for as long as any of them does: for
  fields that live and die together. Those of at most 64 bytes, which live in the heap, are no part of it. 20 fields of 100
  bytes then take 0.25 times as long as 20 calls of `:binary.copy/1`, of 1,000 bytes 0.33 times. Without a block they
  take 0.85 times as long; of 20 bytes, which need no block, 0.55 times either way.

      iex> row = "4711;Oslo;NO"
      iex> BoundedBinary.slices(row, [{0, 4}, {5, 4}, {12, -2}])
      ["4711", "Oslo", "NO"]
      iex> BoundedBinary.slices(row, [{0, 4}, {5, 4}], shared: true)
      ["4711", "Oslo"]
  """
  @spec slices(binary, [{non_neg_integer, integer}], shared: boolean) :: [binary]
  def slices(binary, positions, opts \\ [])
  def slices(binary, positions, []), do: cut(binary, positions, false)

  # Looking options up would take a third of the time.
  def slices(binary, positions, shared: shared) when is_boolean(shared) do
    cut(binary, positions, shared)
  end

  def slices(_binary, _positions, opts) do
    opts = Keyword.validate!(opts, shared: false)
    raise ArgumentError, "shared: expected a boolean, got: #{inspect(opts[:shared])}"
  end

  @doc """
  A lazy stream of the pieces of `binary` between separators, as `String.splitter/3`, each a binary of its own.

  `String.split/2` and `:binary.split/3` make all pieces in one call, which no quota can stop: splitting 50 MB at every
  other byte takes 13 to 27 times a limit of 64 MiB. Here a piece is made when it is asked for, and the stream keeps
  `binary` only while it is run.

    * `:trim`: leaves out empty pieces; default `false`

  `separator` is a binary, a list of binaries, or what `:binary.compile_pattern/1` returns. Raises `ArgumentError` for an
  empty separator.

      iex> "4711;Oslo;;NO" |> BoundedBinary.split(";") |> Enum.to_list()
      ["4711", "Oslo", "", "NO"]
      iex> "a, b;c" |> BoundedBinary.split([", ", ";"], trim: true) |> Enum.take(2)
      ["a", "b"]
  """
  @spec split(binary, :binary.cp() | binary | [binary], trim: boolean) :: Enumerable.t()
  def split(binary, separator, opts \\ []) when is_binary(binary) do
    opts = Keyword.validate!(opts, trim: false)
    Split.pieces(binary, separator, option!(opts, :trim, &is_boolean/1, "a boolean"))
  end

  @doc """
  A lazy stream of the lines of `source`, a binary or an enumerable of binaries, each a binary of its own.

  A line ends with `"\\n"` or `"\\r\\n"`, which are not part of it; the last one may end with the source. Lines may begin in one
  chunk and end in another, so `File.stream!(path, [], 65_536)` is read in bounded memory, where a file that is read line by line
  takes as much memory as its longest line.

    * `:max_bytes`: of one line; default 64 MiB, or `:infinity` to leave it to the caller's quota

  While it is enumerated it raises `BoundedBinary.DecodeError` of kind `:limit` for a longer line, and `ArgumentError` for
  a chunk that is no binary.

      iex> "one\\r\\ntwo\\n\\nfour" |> BoundedBinary.lines() |> Enum.to_list()
      ["one", "two", "", "four"]
      iex> ["on", "e\\ntw", "o\\n"] |> BoundedBinary.lines() |> Enum.to_list()
      ["one", "two"]
  """
  @spec lines(binary | Enumerable.t(), max_bytes: pos_integer | :infinity) :: Enumerable.t()
  def lines(source, opts \\ []) do
    opts = Keyword.validate!(opts, max_bytes: @default_max_bytes)
    Split.lines(source, max_bytes!(opts))
  end

  @doc """
  Iodata as one binary, as `IO.iodata_to_binary/1`; a binary is copied.

      iex> BoundedBinary.concat(["<p>", [?a, "bc" | "d"], "</p>"])
      "<p>abcd</p>"
  """
  @spec concat(iodata) :: binary
  def concat(iodata)

  def concat(binary) when is_binary(binary), do: copy(binary)

  def concat(iodata), do: Concat.run(iodata)

  @doc """
  The content of a file: `{:ok, binary}`, or `{:error, posix}` as `File.read/1`.

  Room for the whole file is charged before the first byte is read. Of a file that grows meanwhile the result is as much
  as it held when it was opened, of one that shrinks what is left. A directory is `{:error, :eisdir}`; a device, a pipe or
  a socket, which may never end or never begin, `{:error, :enotsup}`.

    * `:max_bytes`: a larger file is `{:error, :efbig}`; default `:infinity`, the caller's quota decides

  ## Example

      iex> {:ok, source} = BoundedBinary.read_file("mix.exs", max_bytes: 100_000)
      iex> source =~ "Bounded.MixProject"
      true
      iex> BoundedBinary.read_file("mix.exs", max_bytes: 10)
      {:error, :efbig}
  """
  @spec read_file(Path.t(), max_bytes: pos_integer | :infinity) ::
          {:ok, binary} | {:error, File.posix() | :efbig}
  def read_file(path, opts \\ []) do
    opts = Keyword.validate!(opts, max_bytes: :infinity)
    BoundedBinary.File.read(IO.chardata_to_string(path), max_bytes!(opts))
  end

  @doc """
  Decompresses `data`, a binary.

  The size of the result is found before room for it is charged, by inflating without keeping anything,
  so a bomb costs time in proportion to the limit and no memory: peak memory is the result and about 200
  KiB. Results over 64 KiB are inflated twice, unless they are gzip of one member, which declares its size.

    * `:format`: `:gzip`, `:zlib`, `:raw`, or `:auto` (the default), which tells gzip from zlib
    * `:max_bytes`: of the result; default 64 MiB, or `:infinity` to leave it to the caller's quota
    * `:max_ratio`: how many times as large as `data` the result may be; default 1,000, or `:infinity`. Deflate
      can do no better than 1,032

  Raises `BoundedBinary.DecodeError` of kind `:limit`, `:malformed` or `:truncated`.

      iex> BoundedBinary.inflate(:zlib.gzip("hello"))
      "hello"
      iex> bomb = :zlib.gzip(:binary.copy("0", 1_000_000))
      iex> BoundedBinary.inflate(bomb, max_bytes: 100_000)
      ** (BoundedBinary.DecodeError) limit: decoded, it takes more than 100000 bytes (option max_bytes)
  """
  @spec inflate(binary,
          format: :auto | :gzip | :zlib | :raw,
          max_bytes: pos_integer | :infinity,
          max_ratio: pos_integer | :infinity
        ) :: binary
  def inflate(data, opts \\ []) when is_binary(data) do
    opts =
      Keyword.validate!(opts, format: :auto, max_bytes: @default_max_bytes, max_ratio: @max_ratio)

    unless opts[:format] in [:auto, :gzip, :zlib, :raw] do
      raise ArgumentError,
            "format: expected :auto, :gzip, :zlib or :raw, got: #{inspect(opts[:format])}"
    end

    Inflate.run(data, opts[:format], max_bytes!(opts), max_ratio!(opts))
  end

  @doc """
  The term in `binary`, which is in the external term format (`:erlang.term_to_binary/2`, compressed too).

  What the term takes decoded, heap and binaries, is found before it is decoded: a list of nils takes 16
  times its size. No atom is created. Functions, references and ports are refused unless allowed, and so are
  identifiers (of processes too) of other nodes and of earlier starts of this one: for each node and start the VM
  keeps an entry of about 100 bytes, which no quota counts, for a minute after the last such identifier is gone.

    * `:max_bytes`: of the decoded term, entries for nodes included; default 64 MiB, or `:infinity` to leave it to the
      caller's quota
    * `:allow`: list of `:function`, `:reference`, `:port`, `:external`; default `[]`. A reference of another node
      takes both `:reference` and `:external`

  Native records are decoded where OTP has them, from release 29 on. What `:erlang.term_to_binary/2` wrote with its
  option `:local` is `:malformed`.

  Raises `BoundedBinary.DecodeError` of kind `:limit`, `:malformed`, `:truncated` or `:forbidden`.

      iex> BoundedBinary.to_term(:erlang.term_to_binary(%{name: ["x", 1.5]}))
      %{name: ["x", 1.5]}
      iex> BoundedBinary.to_term(:erlang.term_to_binary(&String.length/1))
      ** (BoundedBinary.DecodeError) forbidden: holds a function, which is not allowed (option allow) (at byte 1 of the data)
  """
  @spec to_term(binary,
          max_bytes: pos_integer | :infinity,
          allow: [:function | :reference | :port | :external]
        ) :: term
  def to_term(binary, opts \\ []) when is_binary(binary) do
    opts = Keyword.validate!(opts, max_bytes: @default_max_bytes, allow: [])
    Terms.decode(binary, max_bytes!(opts), allowed!(opts[:allow]))
  end

  @doc """
  `term` in the external term format, as `:erlang.term_to_binary/2`, for `to_term/2`.

  The format has no sharing: a term of 640 bytes can take 16 TiB in it. How large the result becomes is found before any of it
  is made, in time proportional to that at most. Identifiers, functions and native records count with the longest names that
  they may have.

    * `:max_bytes`: of the result, before compression; default 64 MiB, or `:infinity` to leave it to the caller's quota
    * `:compressed`: zlib's level, 0 (the default, no compression) to 9
    * `:deterministic`: the same bytes for the same term within an OTP release; default `false`

  Raises `BoundedBinary.DecodeError` of kind `:limit` beyond `max_bytes`, and `Quota.ExceededError` where the quota has not
  that much left.

      iex> %{name: ["x", 1.5]} |> BoundedBinary.term_to_binary() |> BoundedBinary.to_term()
      %{name: ["x", 1.5]}
      iex> doubled = Enum.reduce(1..40, [1], fn _, list -> [list | list] end)
      iex> BoundedBinary.term_to_binary(doubled, max_bytes: 1_000_000)
      ** (BoundedBinary.DecodeError) limit: encoded, it takes more than 1000000 bytes (option max_bytes)
  """
  @spec term_to_binary(term,
          max_bytes: pos_integer | :infinity,
          compressed: 0..9,
          deterministic: boolean
        ) :: binary
  def term_to_binary(term, opts \\ []) do
    opts =
      Keyword.validate!(opts, max_bytes: @default_max_bytes, compressed: 0, deterministic: false)

    level = option!(opts, :compressed, &(is_integer(&1) and &1 in 0..9), "a level from 0 to 9")
    deterministic = option!(opts, :deterministic, &is_boolean/1, "a boolean")
    options = [compressed: level] ++ if(deterministic, do: [:deterministic], else: [])
    Encode.run(term, max_bytes!(opts), options)
  end

  @doc """
  The same term, with every binary that keeps a much larger one alive replaced by a copy of its own.

  Walks lists, improper ones too, tuples, maps, structs and native records at any depth; what a function captured
  stays, and so does a bitstring that does not end on a byte. A term with nothing to do comes back as it was, at about the cost of hashing it; what does not change in
  others stays shared. For messages, ETS rows and the state of a process.

    * `:ratio`: a binary is copied when its source is at least that many times as large; default 2
    * `:bytes`: and when the source is at least that many bytes larger; default 64

  ## Example

      iex> body = String.duplicate("x", 10_000)
      iex> row = %{id: 1, name: binary_part(body, 10, 200)}
      iex> compact = BoundedBinary.compact(row)
      iex> {compact == row, :binary.referenced_byte_size(compact.name)}
      {true, 200}
  """
  @spec compact(term, ratio: number, bytes: pos_integer) :: term
  def compact(term, opts \\ [])
  def compact(term, []), do: Compact.run(term, {@ratio, @bytes})

  def compact(term, opts) do
    opts = Keyword.validate!(opts, ratio: @ratio, bytes: @bytes)
    ratio = option!(opts, :ratio, &(is_number(&1) and &1 >= 1), "a number of at least 1")
    bytes = option!(opts, :bytes, &(is_integer(&1) and &1 > 0), "a positive number of bytes")
    Compact.run(term, {min(ratio, @absurd), bytes})
  end

  @doc """
  What the binaries in `term` need against what they keep alive, in bytes.

  A binary that is in the term twice counts once, and so does a source that several are parts of.

      iex> body = String.duplicate("x", 10_000)
      iex> BoundedBinary.retained([binary_part(body, 0, 100), binary_part(body, 500, 100)])
      %{needed: 200, kept: 10_000}
  """
  @spec retained(term) :: %{needed: non_neg_integer, kept: non_neg_integer}
  def retained(term) do
    {needed, kept} = Retained.measure(term)
    %{needed: needed, kept: kept}
  end

  defp append_times(filling, _block, 0), do: filling

  defp append_times(filling, block, n) do
    filling |> Filling.append(block) |> append_times(block, n - 1)
  end

  defp cut(binary, positions, shared) do
    case Bytes.aligned?(binary) && Native.binary_slices(binary, positions, shared) do
      slices when is_list(slices) -> slices
      _large -> cut_large(binary, positions, shared)
    end
  end

  defp cut_large(binary, positions, true), do: binary |> parts(positions) |> share()

  defp cut_large(binary, positions, false), do: each(positions, &slice(binary, &1, &2))

  # Parts of `binary`, which keep it alive for the moment.
  defp parts(binary, positions), do: each(positions, &binary_part(binary, &1, &2))

  defp each([{position, length} | positions], cut) do
    [cut.(position, length) | each(positions, cut)]
  end

  defp each([], _cut), do: []

  defp each(other, _cut) do
    raise ArgumentError,
          "expected a list of {position, length}, found: #{inspect(other, limit: 3)}"
  end

  defp share(parts), do: parts |> concat() |> part_again(parts, 0)

  defp part_again(_block, [], _start), do: []

  defp part_again(block, [part | parts], start) do
    size = byte_size(part)
    [binary_part(block, start, size) | part_again(block, parts, start + size)]
  end

  defp max_ratio!(opts) do
    valid? = &(&1 == :infinity or (is_integer(&1) and &1 > 0))
    option!(opts, :max_ratio, valid?, "a positive integer or :infinity")
  end

  defp max_bytes!(opts) do
    valid? = &(&1 == :infinity or (is_integer(&1) and &1 > 0))
    option!(opts, :max_bytes, valid?, "a positive number of bytes or :infinity")
  end

  defp allowed!(kinds) do
    unless is_list(kinds) and not List.improper?(kinds) and kinds -- @kinds == [] do
      raise ArgumentError,
            "allow: expected a list of :function, :reference, :port and :external, got: #{inspect(kinds)}"
    end

    kinds
  end

  defp option!(opts, key, valid?, expected) do
    value = opts[key]

    unless valid?.(value),
      do: raise(ArgumentError, "#{key}: expected #{expected}, got: #{inspect(value)}")

    value
  end
end
