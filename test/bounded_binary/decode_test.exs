defmodule BoundedBinary.DecodeTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.Emulated
  alias BoundedBinary.DecodeError
  import Bitwise, only: [<<<: 2]
  import Bounded.Test.Accounts

  defp decode_error(fun), do: assert_raise(DecodeError, fun)

  # Appends and truncates until it is stopped.
  defp change(path, size) do
    {:ok, file} = :file.open(path, [:read, :write, :raw, :binary])
    :ok = :file.pwrite(file, size, <<0::size(size)-unit(8)>>)
    {:ok, _} = :file.position(file, size)
    :ok = :file.truncate(file)
    :ok = :file.close(file)

    receive do
      :stop -> :ok
    after
      0 -> change(path, size)
    end
  end

  # An identifier in the external term format.
  defp external(kind, node, creation) do
    name = <<?w, byte_size(node), node::binary>>

    case kind do
      :pid -> <<131, ?X, name::binary, 1::32, 0::32, creation::32>>
      :port -> <<131, ?Y, name::binary, 1::32, creation::32>>
      :reference -> <<131, ?Z, 3::16, name::binary, creation::32, 1::32, 2::32, 3::32>>
    end
  end

  describe "inflate/2" do
    test "says what is wrong with the data" do
      data = :zlib.gzip(:rand.bytes(100_000))
      half = binary_part(data, 0, 50_000)

      assert %{kind: :truncated, plug_status: 400} =
               decode_error(fn -> BoundedBinary.inflate(half) end)

      assert %{kind: :malformed} = decode_error(fn -> BoundedBinary.inflate("no such format") end)

      assert %{kind: :malformed} =
               decode_error(fn -> BoundedBinary.inflate(data, format: :zlib) end)

      assert %{kind: :truncated} = decode_error(fn -> BoundedBinary.inflate("") end)

      assert %{kind: :limit, plug_status: 413} =
               decode_error(fn -> BoundedBinary.inflate(data, max_bytes: 99_999) end)

      assert byte_size(BoundedBinary.inflate(data, max_bytes: 100_000)) == 100_000
    end

    test "does not believe the size that gzip declares" do
      data = :binary.copy("a", 500_000)
      gzip = :zlib.gzip(data)
      body = binary_part(gzip, 0, byte_size(gzip) - 4)

      for size <- [100_000, 499_999, 500_001] do
        assert %{kind: :malformed} =
                 decode_error(fn -> BoundedBinary.inflate(<<body::binary, size::little-32>>) end)
      end
    end

    test "a dictionary is needed and not there" do
      zlib = :zlib.open()
      :ok = :zlib.deflateInit(zlib)
      :zlib.deflateSetDictionary(zlib, "dictionary")
      data = IO.iodata_to_binary(:zlib.deflate(zlib, "a dictionary", :finish))

      assert %{kind: :malformed, reason: reason} =
               decode_error(fn -> BoundedBinary.inflate(data) end)

      assert reason =~ "dictionary"
    end

    test "a result that the quota has no room for is refused before it is made" do
      bomb = :zlib.gzip(<<0::size(20_000_000)-unit(8)>>)

      in_account(5_000_000, fn _ ->
        # How large it would have become is not known by then.
        assert_raise Quota.ExceededError, ~r/at least .* more were refused/, fn ->
          BoundedBinary.inflate(bomb, max_bytes: :infinity)
        end

        assert byte_size(BoundedBinary.inflate(:zlib.gzip(:rand.bytes(2_000_000)))) == 2_000_000
      end)
      |> assert_refunded()
    end

    test "refuses options that it does not know" do
      assert_raise ArgumentError, ~r/:format must be/, fn ->
        BoundedBinary.inflate("", format: :lzma)
      end

      assert_raise ArgumentError, ~r/:max_bytes must be/, fn ->
        BoundedBinary.inflate("", max_bytes: 0)
      end
    end
  end

  describe "to_term/2" do
    test "refuses a term by its size once it is decoded" do
      nils = :erlang.term_to_binary(List.duplicate([], 10_000))

      assert %{kind: :limit, byte_offset: 1} =
               decode_error(fn -> BoundedBinary.to_term(nils, max_bytes: 159_999) end)

      assert length(BoundedBinary.to_term(nils, max_bytes: 160_000)) == 10_000
    end

    test "refuses a compressed term by the size that it declares, and one that is of another" do
      bomb = :erlang.term_to_binary(:binary.copy("a", 1_000_000), [:compressed])
      assert byte_size(bomb) < 2_000

      assert %{kind: :limit} =
               decode_error(fn -> BoundedBinary.to_term(bomb, max_bytes: 999_999) end)

      <<131, 80, size::32, data::binary>> = bomb

      for wrong <- [10, size - 1, size + 1] do
        lie = <<131, 80, wrong::32, data::binary>>
        assert %{kind: :malformed} = decode_error(fn -> BoundedBinary.to_term(lie) end)
      end
    end

    test "does not unpack what is compressed twice" do
      term = :erlang.term_to_binary(List.duplicate(0, 1_000), [:compressed])
      <<131, inner::binary>> = term
      twice = <<131, 80, byte_size(inner)::32, :zlib.compress(inner)::binary>>
      assert %{kind: :malformed} = decode_error(fn -> BoundedBinary.to_term(twice) end)
    end

    test "refuses functions, references and ports unless they are allowed" do
      captured = 1
      terms = [function: &String.length/1, function: fn -> captured end, reference: make_ref()]

      for {kind, term} <- [{:port, hd(Port.list())} | terms] do
        binary = :erlang.term_to_binary([term])

        assert %{kind: :forbidden, reason: reason, byte_offset: 6} =
                 decode_error(fn -> BoundedBinary.to_term(binary) end)

        assert reason =~ "holds a #{kind}"
        assert BoundedBinary.to_term(binary, allow: [kind]) == [term]
      end

      assert BoundedBinary.to_term(:erlang.term_to_binary(self())) == self()

      for allow <- [[:atom], :port, [:port | :function], nil] do
        assert_raise ArgumentError, ~r/:allow must be/, fn ->
          BoundedBinary.to_term("", allow: allow)
        end
      end
    end

    # The VM keeps an entry for each node and start of a node, whoever decodes it: outside of any quota.
    test "refuses identifiers of other nodes and of other starts of this one unless they are allowed" do
      this = Atom.to_string(node())
      own = :erlang.system_info(:creation)

      for {node, creation} <- [{this, own + 1}, {"ok", own}], kind <- [:pid, :port, :reference] do
        binary = external(kind, node, creation)
        others = [:reference, :port, :function]

        assert %{kind: :forbidden, byte_offset: 1, reason: reason} =
                 decode_error(fn -> BoundedBinary.to_term(binary, allow: others) end)

        assert reason ==
                 "holds an identifier of another node, which is not allowed (option allow)"

        term = BoundedBinary.to_term(binary, allow: [:external | others])
        assert node(term) == String.to_existing_atom(node)

        if kind != :pid,
          do: decode_error(fn -> BoundedBinary.to_term(binary, allow: [:external]) end)
      end

      for kind <- [:pid, :port, :reference] do
        term = BoundedBinary.to_term(external(kind, this, own), allow: [:reference, :port])
        assert node(term) == node()
      end
    end

    test "counts the entry that the VM keeps of each node" do
      count = 1_000
      pids = for n <- 1..count, do: tl(:erlang.binary_to_list(external(:pid, "ok", n)))
      binary = IO.iodata_to_binary([<<131, ?l, count::32>>, pids, ?j])

      assert %{kind: :limit} =
               decode_error(fn ->
                 BoundedBinary.to_term(binary, allow: [:external], max_bytes: 160 * count)
               end)

      assert length(BoundedBinary.to_term(binary, allow: [:external])) == count
    end

    test "says what the option :local of term_to_binary has written" do
      assert %{kind: :malformed, reason: reason} =
               decode_error(fn -> BoundedBinary.to_term(<<131, 121, 1, 2, 3, 4, 97, 1>>) end)

      assert reason =~ ":local"
    end

    test "takes any limit" do
      binary = :erlang.term_to_binary([1])

      for max_bytes <- [1 <<< 64, 1 <<< 100, :infinity] do
        assert BoundedBinary.to_term(binary, max_bytes: max_bytes) == [1]
      end

      assert_raise ArgumentError, ~r/:max_bytes must be/, fn ->
        BoundedBinary.to_term(binary, max_bytes: -1)
      end
    end

    test "creates no atoms" do
      name = "no_such_atom_#{System.unique_integer([:positive])}"
      binary = <<131, ?w, byte_size(name), name::binary>>
      assert %{kind: :forbidden} = decode_error(fn -> BoundedBinary.to_term(binary) end)
      assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
    end

    test "decodes binaries that do not start on a byte" do
      term = Enum.to_list(1..200_000)
      external = :erlang.term_to_binary(term)

      <<_::5, unaligned::binary>> = <<0::5, external::binary>>

      assert BoundedBinary.to_term(unaligned) == term
    end

    test "a term that the quota has no room for is refused before it is made" do
      nils = :erlang.term_to_binary(List.duplicate([], 1_000_000))

      in_account(10_000_000, fn _ ->
        assert_raise Quota.ExceededError, fn -> BoundedBinary.to_term(nils) end
      end)
      |> assert_refunded()
    end
  end

  describe "read_file/2" do
    @describetag :tmp_dir

    test "reads files of every size, and what has none", %{tmp_dir: dir} do
      for size <- [0, 1, 65_536, 262_144, 1_000_000] do
        path = Path.join(dir, "#{size}")
        File.write!(path, :rand.bytes(size))
        assert BoundedBinary.read_file(path) == File.read(path)

        if size > 1,
          do: assert(BoundedBinary.read_file(path, max_bytes: size - 1) == {:error, :efbig})
      end

      assert {:ok, "beam" <> _} = BoundedBinary.read_file("/proc/self/comm")
      assert {:error, :efbig} = BoundedBinary.read_file("/proc/self/comm", max_bytes: 3)
      assert {:error, :enoent} = BoundedBinary.read_file(Path.join(dir, "none"))
      assert {:error, :eisdir} = BoundedBinary.read_file(dir)
    end

    test "refuses what may never end or never begin", %{tmp_dir: dir} do
      pipe = Path.join(dir, "pipe")
      {_, 0} = System.cmd("mkfifo", [pipe])
      on_exit(fn -> File.rm!(pipe) end)

      for path <- [pipe, "/dev/zero", "/dev/null"] do
        assert BoundedBinary.read_file(path) == {:error, :enotsup}
      end

      link = Path.join(dir, "link")
      File.ln_s!("/dev/zero", link)
      assert BoundedBinary.read_file(link) == {:error, :enotsup}
    end

    test "what the system makes up without end is refused by the quota" do
      # 8 bytes a page of the address space.
      case File.stat("/proc/self/pagemap") do
        {:ok, %{size: 0, access: access}} when access in [:read, :read_write] ->
          in_account(4_000_000, fn _ ->
            assert_raise Quota.ExceededError, fn ->
              BoundedBinary.read_file("/proc/self/pagemap")
            end
          end)
          |> assert_refunded()

        _ ->
          :ok
      end
    end

    test "a file that grows or shrinks while it is read gives what it held, or what is left", %{
      tmp_dir: dir
    } do
      path = Path.join(dir, "changing")
      size = 2_000_000
      File.write!(path, <<0::size(size)-unit(8)>>)
      changer = spawn_link(fn -> change(path, size) end)

      for _ <- 1..Emulated.fewer(50) do
        assert {:ok, content} = BoundedBinary.read_file(path)
        assert byte_size(content) <= File.stat!(path).size + 2 * size
      end

      send(changer, :stop)
    end

    test "refuses a file that is larger than any memory", %{tmp_dir: dir} do
      path = Path.join(dir, "sparse")
      {:ok, file} = :file.open(path, [:write, :raw])
      # Whoever copies the tree would copy terabytes.
      on_exit(fn -> File.rm!(path) end)
      # Nearly all of it is a hole. Not every file system has room for one.
      if :file.pwrite(file, 8 * 1024 ** 4, "x") == :ok do
        assert_raise Quota.ExceededError, fn -> BoundedBinary.read_file(path) end
        assert {:error, :efbig} = BoundedBinary.read_file(path, max_bytes: 1_000_000)
      end

      :file.close(file)
    end

    test "charges the whole file before it is read", %{tmp_dir: dir} do
      path = Path.join(dir, "large")
      File.write!(path, :rand.bytes(3_000_000))

      in_account(2_000_000, fn _ ->
        assert_raise Quota.ExceededError, fn -> BoundedBinary.read_file(path) end
      end)
      |> assert_refunded()
    end
  end

  describe "max_ratio" do
    test "ends what grows more than it says, 1,000 times by default" do
      zeros = <<0::size(10_000_000)-unit(8)>>
      bomb = :zlib.gzip(zeros)

      for data <- [bomb, :zlib.compress(zeros)] do
        error = assert_raise BoundedBinary.DecodeError, fn -> BoundedBinary.inflate(data) end
        assert %{kind: :limit, plug_status: 413} = error
        assert error.reason =~ "1000 times its size (option max_ratio)"
      end

      assert byte_size(BoundedBinary.inflate(bomb, max_ratio: :infinity)) == 10_000_000
      assert byte_size(BoundedBinary.inflate(bomb, max_ratio: 1_032)) == 10_000_000

      assert_raise BoundedBinary.DecodeError, ~r/option max_bytes/, fn ->
        BoundedBinary.inflate(bomb, max_ratio: :infinity, max_bytes: 1_000)
      end

      assert_raise BoundedBinary.DecodeError, ~r/option max_bytes/, fn ->
        BoundedBinary.inflate(bomb, max_bytes: 1_000)
      end
    end

    test "lets pass what stays below" do
      text = :binary.copy("a line of a file, one of many\n", 10_000)
      data = :zlib.gzip(text)
      ratio = div(byte_size(text), byte_size(data))
      assert BoundedBinary.inflate(data) == text
      assert BoundedBinary.inflate(data, max_ratio: ratio + 1) == text

      assert_raise BoundedBinary.DecodeError, ~r/#{ratio - 1} times its size/, fn ->
        BoundedBinary.inflate(data, max_ratio: ratio - 1)
      end

      for wrong <- [0, -1, 2.5, nil] do
        assert_raise ArgumentError, ~r/max_ratio/, fn ->
          BoundedBinary.inflate(data, max_ratio: wrong)
        end
      end
    end
  end
end
