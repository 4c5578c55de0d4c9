defmodule Bounded.CgroupTest do
  use ExUnit.Case, async: true

  alias Bounded.Cgroup

  # Each directory is the root of a small file system as one kind of container shows it. All have
  # 8,000,000 KiB of physical memory, 6,000,000 KiB available, and the same pressure on the machine.
  @fixtures Path.expand("../fixtures/cgroup", __DIR__)
  @physical 8_000_000 * 1024

  defp find(fixture), do: Cgroup.find(Path.join(@fixtures, fixture))
  defp memory(fixture), do: fixture |> find() |> Cgroup.memory()

  defp pressure(fixture), do: fixture |> find() |> Cgroup.pressure(memory(fixture))

  defp figures(fixture) do
    memory = memory(fixture)
    {memory.source, memory.limit, memory.usage, memory.reclaimable}
  end

  describe "version 1" do
    test "the group's own limit, cache of the groups below it included" do
      assert figures("v1") == {:cgroup_v1, 268_435_456, 100_000_000, 20_000_000}
      assert memory("v1").directory == "/sys/fs/cgroup/memory/apps/web"
    end

    test "a smaller limit further up counts, with that group's usage" do
      assert figures("v1_nested") == {:cgroup_v1, 134_217_728, 120_000_000, 5_000_000}
    end

    test "in a container, a limit above what is mounted is inherited" do
      assert figures("v1_docker") == {:cgroup_v1, 536_870_912, 300_000_000, 90_000_000}
      assert memory("v1_docker").directory == "/sys/fs/cgroup/memory"
    end

    test "beside an empty version 2 tree" do
      assert %Cgroup{version: 1} = find("hybrid")
      assert figures("hybrid") == {:cgroup_v1, 67_108_864, 40_000_000, 0}
    end

    test "the huge number means no limit" do
      assert figures("v1_unlimited") == {:machine, @physical, @physical - 6_144_000_000, 0}
    end

    test "events, and no pressure of its own" do
      assert Cgroup.events(find("v1")) == %{max: 17, oom_kill: 2}
      assert pressure("v1") == nil
      assert pressure("v1_unlimited") == %{some: 1.5, full: 0.25}
    end
  end

  describe "version 2" do
    test "in a namespace of its own" do
      assert figures("v2") == {:cgroup_v2, 268_435_456, 100_000_000, 21_000_000}
    end

    test "the smallest limit up the hierarchy" do
      assert figures("v2_nested") == {:cgroup_v2, 314_572_800, 200_000_000, 12_000_000}
      assert memory("v2_nested").directory == "/sys/fs/cgroup/kubepods/burstable/pod1"
      assert length(find("v2_nested").directories) == 4
    end

    test "in a container that is told its path on the host" do
      assert figures("v2_docker") == {:cgroup_v2, 402_653_184, 90_000_000, 60}
    end

    @tag :tmp_dir
    test "of which a part is mounted, at the group, above it or elsewhere", %{tmp_dir: dir} do
      for {mounted, path, directory} <- [
            {"/host/pod", "/host/pod", "/sys/fs/cgroup"},
            {"/host/pod", "/host/pod/app", "/sys/fs/cgroup/app"},
            {"/host/pod", "/host/pods", "/sys/fs/cgroup"}
          ] do
        root = Path.join(dir, "#{:erlang.phash2(path)}")
        File.cp_r!(Path.join(@fixtures, "v2"), root)
        mount = "30 23 0:26 #{mounted} /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
        File.write!(Path.join(root, "proc/self/mountinfo"), mount)
        File.write!(Path.join(root, "proc/self/cgroup"), "0::#{path}\n")
        File.mkdir_p!(Path.join(root, "sys/fs/cgroup/app"))
        File.write!(Path.join(root, "sys/fs/cgroup/app/memory.max"), "1000000\n")
        assert hd(Cgroup.find(root).directories) == directory
      end
    end

    test "a limit on the slice, and blanks in names" do
      assert figures("v2_systemd") == {:cgroup_v2, 2_147_483_648, 1_000_000_000, 3}
    end

    test "max means no limit" do
      assert figures("v2_unlimited") == {:machine, @physical, @physical - 6_144_000_000, 0}
    end

    test "events and pressure are those of the group itself" do
      assert Cgroup.events(find("v2")) == %{high: 3, max: 41, oom: 2, oom_kill: 1}
      assert pressure("v2") == %{some: 12.5, full: 3.75}
    end
  end

  describe "what cannot be seen" do
    test "without control groups, the machine" do
      assert %Cgroup{version: nil, directories: []} = find("none")

      assert memory("none") == %{
               source: :machine,
               directory: nil,
               limit: @physical,
               usage: @physical - 6_144_000_000,
               reclaimable: 0,
               physical: @physical,
               available: 6_144_000_000,
               swap: 2_048_000_000
             }

      assert Cgroup.events(find("none")) == %{}
    end

    test "without any files, nothing, and says so" do
      group = find("there is no such directory")
      assert group.version == nil
      memory = Cgroup.memory(group)
      assert Enum.all?(Map.values(memory), &is_nil/1)
      assert Cgroup.events(group) == %{}
      assert Cgroup.pressure(group, Cgroup.memory(group)) == nil
    end

    @tag :tmp_dir
    test "without the machine's memory, the group's limit", %{tmp_dir: dir} do
      File.cp_r!(Path.join(@fixtures, "v2"), dir)
      File.rm!(Path.join(dir, "proc/meminfo"))
      assert %{source: :cgroup_v2, limit: limit, physical: nil} = Cgroup.memory(Cgroup.find(dir))
      assert limit == memory("v2").limit
    end

    test "garbled files raise nothing" do
      group = find("garbled")
      assert %{source: nil, limit: nil} = Cgroup.memory(group)
      assert Cgroup.events(group) == %{}
      assert Cgroup.pressure(group, Cgroup.memory(group)) == nil
    end
  end

  test "this machine tells something" do
    if File.exists?("/proc/meminfo") do
      memory = Cgroup.memory(Cgroup.find())
      assert memory.source in [:cgroup_v1, :cgroup_v2, :machine]
      assert memory.limit > 0 and memory.limit <= memory.physical
    end
  end
end
