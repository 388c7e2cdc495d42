"""The appliance: two disks, and the `.ova` file that VirtualBox imports."""
