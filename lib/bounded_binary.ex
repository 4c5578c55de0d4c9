defmodule BoundedBinary do
  @moduledoc since: "0.1.0"
  @moduledoc """
  Copies the bytes that you need, so that the larger binary around them can be freed.

  `:binary.part/3`, pattern matching and `String.split/2` return sub-binaries. A 100-byte field of a 50 MB body keeps
  the 50 MB alive for as long as the field lives, in a process, in ETS or in a mailbox. The functions here return
  binaries of their own. The bytes of those over 512 KiB are charged before they are allocated, to the `Quota` of the calling process, or
  to the node if the process has no quota; for the results of `term_to_binary/2` and `to_term/2` there must only be room. The charge
  belongs to the bytes, not to the process: it survives messages, ETS, `:persistent_term` and the death of the process, and is refunded
  when the last reference is gone.

  | to | use |
  | --- | --- |
  | keep a binary, or a part of one | `copy/1`, `slice/3` |
  | keep many fields of one body | `slices/3` |
  | free the bodies behind the binaries of a message, an ETS row or a state | `compact/2`; `retained/1` measures the gain |
  | iterate over pieces or lines | `split/3`, `lines/2` |
  | build a binary of unknown size | `concat/1`, `read_file/2`, `inflate/2`, `term_to_binary/2` |
  | decode `:erlang.term_to_binary/1` | `to_term/2` |

  A result of at most 64 bytes lives in the heap of its process. A copy of at most 512 KiB is an ordinary binary, which the
  VM counts in every process that references it. A larger copy is charged. No call blocks a scheduler for more than a
  millisecond: copies over 1 MiB are made in steps of 256 KiB.

  Every function raises `Quota.ExceededError` when the charge is refused or the system does not have the memory, and
  `ArgumentError` in the cases in which its counterpart in the standard library does.
  """

  import Bounded.Sizes, only: [plain_max: 0, unreachable: 0]

  alias BoundedBinary.{
    Builder,
    Compact,
    Concat,
    Copy,
    Decode,
    Encode,
    Inflate,
    Retained,
    Slices,
    Split
  }

  @default_max_bytes 64 * 1024 * 1024

  # The default of `inflate/2`.
  @max_ratio 1_000

  # The kinds of terms that `to_term/2` refuses unless they are allowed.
  @kinds [:function, :reference, :port, :external]

  # The defaults of `compact/2`.
  @ratio 2
  @bytes 64

  @doc """
  Returns a copy of `binary` that does not reference another binary, like `:binary.copy/1`.

      iex> body = String.duplicate("x", 1_000)
      iex> field = BoundedBinary.copy(binary_part(body, 0, 600))
      iex> {byte_size(field), :binary.referenced_byte_size(field)}
      {600, 600}
  """
  @spec copy(binary) :: binary
  defdelegate copy(binary), to: Copy, as: :run

  @doc """
  Returns `n` concatenated copies of `binary`, like `:binary.copy/2`.

      iex> BoundedBinary.copy("ab", 3)
      "ababab"
  """
  @spec copy(binary, non_neg_integer) :: binary
  def copy(binary, n) when is_integer(n) and byte_size(binary) * n > plain_max() do
    size = byte_size(binary)
    per_block = max(1, div(plain_max(), size))
    block = if per_block == 1, do: binary, else: :binary.copy(binary, per_block)

    (size * n)
    |> Builder.new()
    |> append_times(block, div(n, per_block))
    |> Builder.append(binary_part(block, 0, rem(n, per_block) * size))
    |> Builder.finish()
  end

  def copy(binary, n), do: :binary.copy(binary, n)

  @doc """
  Returns the `length` bytes of `binary` from `position` on, like `:binary.part/3`, without keeping `binary` alive.

  A negative `length` takes the bytes before `position`.

      iex> BoundedBinary.slice("id=4711;name=x", 3, 4)
      "4711"
      iex> BoundedBinary.slice("id=4711;name=x", 14, -6)
      "name=x"
  """
  @spec slice(binary, non_neg_integer, integer) :: binary
  def slice(binary, position, length), do: binary |> binary_part(position, length) |> copy()

  @doc """
  Returns `slice/3` of one binary for every `{position, length}`, in order.

  With `shared: true` all slices over 64 bytes are parts of one new binary, which lives for as long as any of them: for
  fields that live and die together. Slices of at most 64 bytes live in the heap. With `shared: true`, 20 fields of 100
  bytes take 0.25 times as long as 20 calls of `:binary.copy/1`, and fields of 1,000 bytes 0.33 times. Without it they
  take 0.85 times as long. Fields of 20 bytes, which live in the heap, take 0.55 times as long either way.

      iex> row = "4711;Oslo;NO"
      iex> BoundedBinary.slices(row, [{0, 4}, {5, 4}, {12, -2}])
      ["4711", "Oslo", "NO"]
      iex> BoundedBinary.slices(row, [{0, 4}, {5, 4}], shared: true)
      ["4711", "Oslo"]
  """
  @spec slices(binary, [{non_neg_integer, integer}], shared: boolean) :: [binary]
  def slices(binary, positions, opts \\ [])
  def slices(binary, positions, []), do: Slices.run(binary, positions, false)

  # Matched, because a lookup of the option would take a third of the time.
  def slices(binary, positions, shared: shared) when is_boolean(shared) do
    Slices.run(binary, positions, shared)
  end

  def slices(_binary, _positions, opts) do
    opts = validate!(opts, shared: false)
    raise ArgumentError, ":shared must be a boolean, got: #{inspect(opts[:shared])}"
  end

  @doc """
  Returns a lazy stream of the pieces of `binary` between separators, like `String.splitter/3`. Each piece is a binary of
  its own.

  `String.split/2` and `:binary.split/3` make all pieces in one call, which no quota can stop: splitting 50 MB at every
  other byte takes 13 to 27 times a limit of 64 MiB. Here each piece is made on demand, and the stream keeps `binary` only
  during the enumeration.

    * `:trim`: leaves out empty pieces; default `false`

  `separator` is a binary, a list of binaries, or a compiled pattern (`:binary.compile_pattern/1`). Raises `ArgumentError`
  for an empty separator.

      iex> "4711;Oslo;;NO" |> BoundedBinary.split(";") |> Enum.to_list()
      ["4711", "Oslo", "", "NO"]
      iex> "a, b;c" |> BoundedBinary.split([", ", ";"], trim: true) |> Enum.take(2)
      ["a", "b"]
  """
  @spec split(binary, :binary.cp() | binary | [binary], trim: boolean) :: Enumerable.t()
  def split(binary, separator, opts \\ []) when is_binary(binary) do
    opts = validate!(opts, trim: false)
    Split.pieces(binary, separator, option!(opts, :trim, &is_boolean/1, "a boolean"))
  end

  @doc """
  Returns a lazy stream of the lines of `source`, a binary or an enumerable of binaries. Each line is a binary of its own.

  A line ends with `"\\n"` or `"\\r\\n"`, which are not part of it, or with the source. Lines may begin in one chunk and end
  in another, so `File.stream!(path, [], 65_536)` is read in bounded memory. `File.stream!(path)`, which reads line by line,
  takes as much memory as the longest line.

    * `:max_bytes`: maximum size of a line; default 64 MiB, or `:infinity` for no limit but the caller's quota

  The enumeration raises `BoundedBinary.DecodeError` of kind `:limit` for a longer line, and `ArgumentError` for a chunk
  that is not a binary.

      iex> "one\\r\\ntwo\\n\\nfour" |> BoundedBinary.lines() |> Enum.to_list()
      ["one", "two", "", "four"]
      iex> ["on", "e\\ntw", "o\\n"] |> BoundedBinary.lines() |> Enum.to_list()
      ["one", "two"]
  """
  @spec lines(binary | Enumerable.t(), max_bytes: pos_integer | :infinity) :: Enumerable.t()
  def lines(source, opts \\ []) do
    opts = validate!(opts, max_bytes: @default_max_bytes)
    Split.lines(source, max_bytes!(opts))
  end

  @doc """
  Converts iodata to one binary, like `IO.iodata_to_binary/1`, but copies a binary.

      iex> BoundedBinary.concat(["<p>", [?a, "bc" | "d"], "</p>"])
      "<p>abcd</p>"
  """
  @spec concat(iodata) :: binary
  def concat(iodata)

  def concat(binary) when is_binary(binary), do: copy(binary)

  def concat(iodata), do: Concat.run(iodata)

  @doc """
  Reads a file: returns `{:ok, binary}`, or `{:error, posix}` like `File.read/1`.

  The size of the file is charged first; a file of no size, as in `/proc`, is charged as it is read. If a file grows meanwhile,
  the result has the size at opening; if it shrinks, the result is shorter. Returns `{:error, :eisdir}` for a directory and
  `{:error, :enotsup}` for a device, a pipe or a socket, which may never end or never begin.

    * `:max_bytes`: returns `{:error, :efbig}` for a larger file; default `:infinity`, no limit but the caller's quota

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
    opts = validate!(opts, max_bytes: :infinity)
    BoundedBinary.File.read(IO.chardata_to_string(path), max_bytes!(opts))
  end

  @doc """
  Decompresses `data`, a binary.

  The data is first inflated without keeping the output, to find the size of the result, which is then charged. So a
  decompression bomb takes time in proportion to the limit, but no memory: peak memory is the result and about 200 KiB.
  Results over 64 KiB are inflated twice, unless they are gzip of one member, which declares its size.

    * `:format`: `:gzip`, `:zlib`, `:raw`, or `:auto` (the default), which detects gzip and zlib
    * `:max_bytes`: maximum size of the result; default 64 MiB, or `:infinity` for no limit but the caller's quota
    * `:max_ratio`: maximum ratio of the size of the result to the size of `data`; default 1,000, or `:infinity`. Deflate
      reaches at most 1,032

  Raises `BoundedBinary.DecodeError` of kind `:limit`, `:malformed` or `:truncated`.

      iex> BoundedBinary.inflate(:zlib.gzip("hello"))
      "hello"
      iex> bomb = :zlib.gzip(:binary.copy("0", 1_000_000))
      iex> BoundedBinary.inflate(bomb, max_bytes: 100_000)
      ** (BoundedBinary.DecodeError) too large: decoded, it takes more than 100000 bytes (option max_bytes)
  """
  @spec inflate(binary,
          format: :auto | :gzip | :zlib | :raw,
          max_bytes: pos_integer | :infinity,
          max_ratio: pos_integer | :infinity
        ) :: binary
  def inflate(data, opts \\ []) when is_binary(data) do
    opts = validate!(opts, format: :auto, max_bytes: @default_max_bytes, max_ratio: @max_ratio)

    unless opts[:format] in [:auto, :gzip, :zlib, :raw] do
      raise ArgumentError,
            ":format must be :auto, :gzip, :zlib or :raw, got: #{inspect(opts[:format])}"
    end

    Inflate.run(data, opts[:format], max_bytes!(opts), max_ratio!(opts))
  end

  @doc """
  Decodes `binary`, which is in the external term format (`:erlang.term_to_binary/2`, also compressed).

  The memory that the term will take, heap and binaries, is computed before it is decoded: a list of nils takes 16
  times its encoded size. No atom is created. Functions, references and ports are refused unless allowed. So are
  identifiers (also of processes) of other nodes and of earlier starts of this one, because the VM keeps an entry of about
  100 bytes for each node and start, which no quota counts, for a minute after the last such identifier is gone.

    * `:max_bytes`: maximum memory of the decoded term, entries for nodes included; default 64 MiB, or `:infinity` for no
      limit but the caller's quota
    * `:allow`: list of `:function`, `:reference`, `:port`, `:external`; default `[]`. A reference of another node
      needs both `:reference` and `:external`

  Native records are decoded from OTP 29 on, which introduced them. The format that `:erlang.term_to_binary/2` writes with its
  option `:local` is `:malformed`.

  Raises `BoundedBinary.DecodeError` of kind `:limit`, `:malformed`, `:truncated` or `:forbidden`.

      iex> BoundedBinary.to_term(:erlang.term_to_binary(%{name: ["x", 1.5]}))
      %{name: ["x", 1.5]}
      iex> BoundedBinary.to_term(:erlang.term_to_binary(&String.length/1))
      ** (BoundedBinary.DecodeError) forbidden data: holds a function, which is not allowed (option allow) (at byte 1 of the data)
  """
  @spec to_term(binary,
          max_bytes: pos_integer | :infinity,
          allow: [:function | :reference | :port | :external]
        ) :: term
  def to_term(binary, opts \\ []) when is_binary(binary) do
    opts = validate!(opts, max_bytes: @default_max_bytes, allow: [])
    Decode.decode(binary, max_bytes!(opts), allowed!(opts[:allow]))
  end

  @doc """
  Encodes `term` in the external term format, like `:erlang.term_to_binary/2`, for `to_term/2`.

  The format has no sharing: a term of 640 bytes can take 16 TiB in it. The size of the result is computed before any of it is
  allocated, in time at most proportional to that size. Identifiers, functions and native records are computed with the
  longest names that they can have.

    * `:max_bytes`: maximum size of the result before compression; default 64 MiB, or `:infinity` for no limit but the
      caller's quota
    * `:compressed`: zlib's level, 0 (the default, no compression) to 9
    * `:deterministic`: encodes equal terms to equal bytes within an OTP release; default `false`

  Raises `BoundedBinary.DecodeError` of kind `:limit` if the result would be larger than `:max_bytes`, and
  `Quota.ExceededError` if the quota has less left.

      iex> %{name: ["x", 1.5]} |> BoundedBinary.term_to_binary() |> BoundedBinary.to_term()
      %{name: ["x", 1.5]}
      iex> doubled = Enum.reduce(1..40, [1], fn _, list -> [list | list] end)
      iex> BoundedBinary.term_to_binary(doubled, max_bytes: 1_000_000)
      ** (BoundedBinary.DecodeError) too large: encoded, it takes more than 1000000 bytes (option max_bytes)
  """
  @spec term_to_binary(term,
          max_bytes: pos_integer | :infinity,
          compressed: 0..9,
          deterministic: boolean
        ) :: binary
  def term_to_binary(term, opts \\ []) do
    opts = validate!(opts, max_bytes: @default_max_bytes, compressed: 0, deterministic: false)

    level = option!(opts, :compressed, &(is_integer(&1) and &1 in 0..9), "a level from 0 to 9")
    deterministic = option!(opts, :deterministic, &is_boolean/1, "a boolean")
    options = [compressed: level] ++ if(deterministic, do: [:deterministic], else: [])
    Encode.run(term, max_bytes!(opts), options)
  end

  @doc """
  Returns `term` with a copy in place of every binary that keeps a much larger one alive. For messages, ETS rows and the
  state of a process.

  Walks lists (also improper ones), tuples, maps, structs and native records at any depth. Terms captured by functions
  and bitstrings that do not end on a byte are left unchanged. A term without such binaries is returned itself, at about
  the cost of hashing it. Unchanged parts of other terms stay shared.

    * `:ratio` and `:bytes`: a binary is copied when its source is at least `:ratio` times as large (default 2), and at least
      `:bytes` bytes larger (default 64)

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
    opts = validate!(opts, ratio: @ratio, bytes: @bytes)
    ratio = option!(opts, :ratio, &(is_number(&1) and &1 >= 1), "a number of at least 1")
    bytes = option!(opts, :bytes, &(is_integer(&1) and &1 > 0), "a positive number of bytes")
    Compact.run(term, {min(ratio, unreachable()), bytes})
  end

  @doc """
  Returns the bytes that the binaries of `term` have (`needed`), and the bytes that they keep alive (`kept`).

  A binary of over 64 bytes that occurs twice counts once, as does the common source of several. What closures have captured counts.

      iex> body = String.duplicate("x", 10_000)
      iex> BoundedBinary.retained([binary_part(body, 0, 100), binary_part(body, 500, 100)])
      %{needed: 200, kept: 10_000}
  """
  @spec retained(term) :: %{needed: non_neg_integer, kept: non_neg_integer}
  def retained(term) do
    {needed, kept} = Retained.measure(term)
    %{needed: needed, kept: kept}
  end

  defp append_times(builder, _block, 0), do: builder

  defp append_times(builder, block, n) do
    builder |> Builder.append(block) |> append_times(block, n - 1)
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
            ":allow must be a list of :function, :reference, :port and :external, got: #{inspect(kinds)}"
    end

    kinds
  end

  defp validate!(opts, known) do
    Quota.Options.keyword!(opts)
    Keyword.validate!(opts, known)
  end

  defp option!(opts, key, valid?, expected) do
    value = opts[key]

    unless valid?.(value),
      do: raise(ArgumentError, "#{inspect(key)} must be #{expected}, got: #{inspect(value)}")

    value
  end
end
